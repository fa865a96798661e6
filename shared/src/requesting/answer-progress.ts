/** What is known of one answer from peer to peer, and whose turn it is. */
import { MeshError } from '../errors.ts';
import { MAX_ATTEMPTS } from '../limits.ts';
import type { TokensEvent } from '../ports/engine.ts';
import type { ClassId, PeerId } from '../protocol/ids.ts';
import type { FinishReason, Usage } from '../protocol/messages.ts';
import type { AnswerEnd, AnswerNeeds, AnswerOptions, Assignment } from './answer-options.ts';
import { Attempt, firstToSpeak, hasText, isLate, isWord } from './attempt.ts';
import { isBroken } from './broken-peer.ts';
import type { JobWord } from './incoming-answer.ts';
import { queueHints } from './requester.ts';
import { StandbyLink } from './standby-link.ts';

/** A peer whose turn it is to answer, and what it has said by now. */
export interface Turn<Route> {
  readonly attempt: Attempt<Assignment<Route>>;
  readonly words: readonly JobWord[];
}

export class AnswerProgress<Route> {
  readonly #options: AnswerOptions<Route>;
  readonly #signal: AbortSignal;
  readonly #startedMs: number;
  readonly #failed = new Set<PeerId>();
  /** As the model wrote it. */
  #text = '';
  #begunBy: ClassId | undefined;
  #contextTokens = 1;
  #firstTokenMs: number | undefined;
  /** Behind the thoughts. */
  #firstOfAnswerMs: number | undefined;
  #standby: StandbyLink | undefined;
  #answering: PeerId | undefined;
  tokenCount = 0;
  lastError: MeshError | undefined;

  constructor(options: AnswerOptions<Route>, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#startedMs = options.clock.monotonicMs();
    const { begun } = options;
    if (begun === undefined) return;
    this.#text = begun.text;
    this.#begunBy = begun.classId;
    this.tokenCount = begun.tokenCount;
  }

  close(): void {
    this.#standby?.close();
  }

  assign(besides?: PeerId): Assignment<Route> | undefined {
    return this.#options.assign(this.#needs(besides === undefined ? [] : [besides]));
  }

  #needs(besides: Iterable<PeerId>): AnswerNeeds {
    const { tokenCount } = this;
    return {
      failed: new Set([...this.#failed, ...besides]),
      contextTokens: this.#contextTokens,
      begun: this.#begunBy === undefined ? undefined : { text: this.#text, tokenCount, classId: this.#begunBy },
    };
  }

  /** The peer that speaks first, while the others are told to stop; undefined when none does. */
  async race(first: Attempt<Assignment<Route>>): Promise<Turn<Route> | undefined> {
    const { clock, mayRace, onLate } = this.#options;
    const { peerId, lateMs } = first.assignment;
    const attempts = [first];
    try {
      if (await isLate(attempts, lateMs, clock)) {
        const rival = this.assign(peerId);
        if (rival !== undefined && (first.isDoubted || mayRace())) attempts.push(this.begin(rival));
      }
      const winner = await firstToSpeak(attempts);
      for (const attempt of attempts) if (attempt !== winner?.attempt) attempt.close();
      for (const { assignment: lost, failure } of attempts) if (failure !== undefined) this.note(lost, failure.error);
      if (winner === undefined) return undefined;
      if (first !== winner.attempt && first.failure === undefined) onLate(peerId);
      return { attempt: winner.attempt, words: [winner.word] };
    } catch (error) {
      for (const attempt of attempts) attempt.close();
      throw error;
    }
  }

  /**
   * An entry takes the peer for gone, and its link is being probed: the next peer goes on at once. When the doubted one
   * shows first that it is there, it goes on itself with what it said meanwhile, and the other is told to stop.
   */
  async whileDoubted(doubted: Attempt<Assignment<Route>>): Promise<Turn<Route> | undefined> {
    const words: JobWord[] = [];
    const { peerId } = doubted.assignment;
    for (let tries = MAX_ATTEMPTS; tries > 0; tries -= 1) {
      const assignment = this.assign(peerId);
      if (assignment === undefined) break;
      const standby = this.begin(assignment);
      let goesOn = false;
      try {
        const news = await firstNews(doubted, standby, words);
        if (news === 'there') break;
        if (news === 'failed') {
          this.note(assignment, standby.failure?.error);
          continue;
        }
        if (news === 'lost') this.note(doubted.assignment, await doubted.next().catch((error: unknown) => error));
        goesOn = true;
        if (news === 'lost') return await this.race(standby);
        // No answer to the probe by now: should it be there after all, it is too slow for this reader.
        this.#options.onFailed(peerId);
        const word = await standby.heard;
        return { attempt: standby, words: word === undefined ? [] : [word] };
      } finally {
        if (!goesOn) standby.close();
      }
    }
    return { attempt: doubted, words };
  }

  /** What the reader gets for a word of the peer, which had `before` tokens from others in front of its own. */
  take(event: JobWord, assignment: Assignment<Route>, before: number): TokensEvent | AnswerEnd {
    const { peerId, classId } = assignment;
    const { clock, onBegun, onAnswered, onFailed } = this.#options;
    if (event.type === 'tokens') {
      if (event.text !== '' && !event.thought) this.#firstOfAnswerMs ??= clock.monotonicMs();
      if (this.#firstTokenMs === undefined && event.text !== '') {
        this.#firstTokenMs = clock.monotonicMs();
        onBegun();
        this.#keepStandby();
      }
      this.#answering = peerId;
      this.#begunBy ??= classId;
      this.#text += event.written ?? event.text;
      this.tokenCount += event.tokenCount;
      // Whoever failed before may be back by the time that this one is lost.
      this.#failed.clear();
      return event;
    }
    const { reason, usage, stopText, measurement } = event;
    const completionTokens = before + usage.completionTokens;
    const ended = this.endWith(reason, { ...usage, completionTokens }, measurement?.tokensPerSecond ?? null);
    const end = stopText === undefined ? ended : { ...ended, stopText };
    if (measurement !== undefined) onAnswered(peerId, end);
    // Without text there is no sample either, and what it announced would go on to win.
    else if (!isWordless(assignment, usage)) onFailed(peerId);
    return end;
  }

  endWith(reason: FinishReason, usage: Usage, tokensPerSecond: number | null): AnswerEnd {
    const ttftMs = (this.#firstTokenMs ?? this.#options.clock.monotonicMs()) - this.#startedMs;
    const firstMs = this.#firstOfAnswerMs;
    const thought = firstMs !== undefined && firstMs !== this.#firstTokenMs;
    return {
      type: 'end',
      reason,
      usage,
      ttftMs,
      ...(thought ? { answerTtftMs: firstMs - this.#startedMs } : {}),
      tokensPerSecond,
    };
  }

  /** @throws what no other peer would heal */
  note({ peerId, contextTokens }: Assignment<Route>, error: unknown): void {
    if (this.#signal.aborted) throw MeshError.cancelled();
    if (!MeshError.is(error)) throw error;
    if (isBroken(error)) this.#options.onFailed(peerId);
    if (!isLessTelling(error, this.lastError)) this.lastError = error;
    if (error.code === 'context_length_exceeded') {
      this.#contextTokens = Math.max(this.#contextTokens, contextTokens + 1);
    } else if (error.retryable) this.#failed.add(peerId);
    else throw error;
  }

  #keepStandby(): void {
    const { clock, random, standby, isLinked, lineTo } = this.#options;
    const draw = random.float();
    this.#standby ??= new StandbyLink({
      clock,
      choose: (besides) => standby(this.#needs([...besides, ...(this.#answering ? [this.#answering] : [])]), draw),
      isLinked,
      connect: lineTo,
    });
  }

  begin(assignment: Assignment<Route>): Attempt<Assignment<Route>> {
    const { clock, requester, model, client, deadlineAtMs, lineTo, onOutcome } = this.#options;
    const { jobId, peerId, parameters, stallMs, pace } = assignment;
    return new Attempt(
      assignment,
      async (stop) => {
        const line = await lineTo(peerId, stop);
        // Who reads already waits for the next token, however late the first one may be.
        const patienceMs =
          deadlineAtMs === undefined || this.tokenCount > 0 ? undefined : deadlineAtMs - clock.monotonicMs();
        const job = { jobId, model, ...queueHints(client, patienceMs), marksThoughts: true, parameters };
        return requester.run(line, job, stop, {
          onOutcome: (outcome) => onOutcome(peerId, jobId, outcome),
          onLeftWaiting: () => {
            // Not when another peer was faster, which is told as that.
            if (this.#signal.aborted) this.#options.onLeftWaiting(peerId);
          },
          pace,
          stallMs,
        });
      },
      this.#signal,
    );
  }
}

/**
 * What comes first: the doubted peer is there, or through with its answer; it is lost; the standby spoke; it failed.
 * @param words gets what the doubted peer says meanwhile
 */
async function firstNews(
  doubted: Attempt<unknown>,
  standby: Attempt<unknown>,
  words: JobWord[],
): Promise<'there' | 'lost' | 'spoke' | 'failed'> {
  let heard: Promise<'spoke' | 'failed' | 'silent'> | undefined = standby.heard.then((word) => {
    if (word === undefined) return 'failed';
    return hasText(word) ? 'spoke' : 'silent';
  });
  for (;;) {
    const read = doubted.peek().then(
      () => 'event' as const,
      () => 'lost' as const,
    );
    const news = await Promise.race(heard === undefined ? [read] : [heard, read]);
    // That nothing is left to say is believed once nobody else can say more.
    if (news === 'silent') heard = undefined;
    else if (news !== 'event') return news;
    else {
      const event = await doubted.next();
      if (isWord(event)) words.push(event);
      if (event.type === 'end' || event.type === 'peer-there') return 'there';
    }
  }
}

/** Its tokens may have no text because of what was asked: they became a stop string, or were too few for a character. */
function isWordless<Route>(
  { parameters: { stop, maxTokens } }: Assignment<Route>,
  { completionTokens }: Usage,
): boolean {
  return completionTokens > 0 && (stop.length > 0 || completionTokens === maxTokens);
}

/** A busy peer can answer later, which no other failure says; of several the one that is free first counts. */
function isLessTelling(error: MeshError, than: MeshError | undefined): boolean {
  if (than?.code !== 'peer_busy') return false;
  return error.code !== 'peer_busy' || Number(error.details.waitMs ?? 0) > Number(than.details.waitMs ?? 0);
}
