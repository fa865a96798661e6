/**
 * From the events of the mesh to a response: thoughts are items of their own, calls are taken out of the text, and each
 * probability stands with its text.
 */
import type { TokenLogprob } from '@tabmesh/shared';
import { endedTooSoon, type OpenedAnswer } from '../answers/opened-answer.ts';
import type { AnswerPart } from '../openai/tools/tool-call-reader.ts';
import type { ResponseBuilder, ResponseObject } from './response-builder.ts';
import type { ResponseQuestion } from './response-request.ts';

export interface WrittenResponse {
  readonly question: ResponseQuestion;
  readonly answer: OpenedAnswer;
  /** Begun already. */
  readonly builder: ResponseBuilder;
  /** Unix time. */
  seconds(): number;
  /** What to wait for before more is written. */
  backlog?(): Promise<void> | undefined;
}

/** Gives the response once it is complete. */
export async function writeResponse(written: WrittenResponse): Promise<ResponseObject> {
  const { question, answer, builder, seconds, backlog = () => undefined } = written;
  const reader = question.toolReader?.();
  let pendingLogprobs: TokenLogprob[] = [];
  const add = (parts: readonly AnswerPart[]) => {
    for (const part of parts) {
      if (part.type !== 'text' && part.index >= question.maxToolCalls) continue;
      builder.add(part, pendingLogprobs);
      pendingLogprobs = [];
    }
  };
  for await (const event of answer.events) {
    if (event.type === 'end') {
      if (reader !== undefined) add(reader.end());
      // The last token may have a probability and no text.
      else if (pendingLogprobs.length > 0) add([{ type: 'text', text: '' }]);
      return builder.end(event.reason, event.usage, seconds());
    }
    const { text, logprobs, thought, tokenCount } = event;
    if (thought) {
      builder.addThought(text, tokenCount);
      const waiting = backlog();
      if (waiting !== undefined) await waiting;
      continue;
    }
    if (logprobs !== undefined) pendingLogprobs.push(...logprobs);
    if (reader !== undefined) add(reader.push(text));
    else if (text !== '') add([{ type: 'text', text }]);
    const waiting = backlog();
    if (waiting !== undefined) await waiting;
  }
  throw endedTooSoon();
}
