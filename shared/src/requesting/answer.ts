/**
 * One answer from however many peers it takes: asks the chosen one and, while its first token is late, another one beside
 * it; when a peer refuses, is lost or leaves, the next one goes on behind what was delivered. Who is chosen and how a line
 * comes to be are the caller's.
 */

import { MAX_ATTEMPTS, MAX_CONTINUATIONS } from '../limits.ts';
import type { AnswerOptions, AnswerPart } from './answer-options.ts';
import { AnswerProgress } from './answer-progress.ts';
import { isWord } from './attempt.ts';

export async function* answer<Route>(
  options: AnswerOptions<Route>,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart<Route>, void, undefined> {
  const progress = new AnswerProgress(options, signal);
  try {
    yield* answerFrom(progress, options);
  } finally {
    progress.close();
  }
}

async function* answerFrom<Route>(
  progress: AnswerProgress<Route>,
  options: AnswerOptions<Route>,
): AsyncGenerator<AnswerPart<Route>, void, undefined> {
  for (let left = MAX_ATTEMPTS; left > 0; left -= 1) {
    const assignment = progress.assign();
    if (assignment === undefined) break;
    yield assignment.route;
    const before = progress.tokenCount;
    let told = assignment;
    for (let turn = await progress.race(progress.begin(assignment)); turn !== undefined; ) {
      const { attempt, words } = turn;
      turn = undefined;
      const others = progress.tokenCount;
      try {
        if (attempt.assignment !== told) yield attempt.assignment.route;
        told = attempt.assignment;
        const said = [...words];
        let stays = false;
        for (;;) {
          const word = said.shift();
          if (word !== undefined) {
            const part = progress.take(word, attempt.assignment, others);
            yield part;
            if (part.type === 'end') return;
          } else if (attempt.isDoubted && !stays) {
            const next = await progress.whileDoubted(attempt);
            stays = next?.attempt === attempt;
            if (stays) said.push(...(next?.words ?? []));
            else {
              turn = next;
              break;
            }
          } else {
            stays &&= attempt.isDoubted;
            const event = await attempt.next();
            if (isWord(event)) said.push(event);
          }
        }
      } catch (error) {
        progress.note(attempt.assignment, error);
      } finally {
        attempt.close();
      }
    }
    if (progress.tokenCount > before) left = MAX_CONTINUATIONS;
    // All of it came; only the word that this was the end did not.
    if (progress.tokenCount === options.maxTokens) {
      yield progress.endWith(
        'length',
        { promptTokens: 0, cachedTokens: 0, completionTokens: progress.tokenCount },
        null,
      );
      return;
    }
  }
  throw options.failure(progress.lastError);
}
