/** OpenAI's shapes of a chat answer, whole and in chunks. */
import type { FinishReason, JobId, TokenLogprob, Usage } from '@tabmesh/shared';
import { type CallStyle, callDeltaOf, type finishReasonOf } from './call-style.ts';
import type { CallPart } from './tools/freeform-calls.ts';

export { callId } from './call-style.ts';

/** What all chunks of one reply share. */
export interface AnswerHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** Of one choice: which one it is, and the job behind it. */
export interface ChoiceHead {
  readonly index: number;
  readonly jobId: JobId;
  /** Whether there may be calls instead of a content. */
  readonly tools: boolean;
  readonly style: CallStyle;
}

export type ChatFinishReason = FinishReason | ReturnType<typeof finishReasonOf>;

/** Only the text of a token is encoded per token; everything around it is made once per choice. */
export class ChunkWriter {
  readonly #jobId: JobId;
  readonly #tools: boolean;
  readonly #style: CallStyle;
  readonly #before: string;
  readonly #after: string;
  readonly #beforeText: string;
  readonly #afterText: string;

  constructor(head: AnswerHead, { index, jobId, tools, style }: ChoiceHead, includeUsage: boolean) {
    this.#jobId = jobId;
    this.#tools = tools;
    this.#style = style;
    this.#before = `${beforeChoices(head)}"choices":[{"index":${index},"delta":`;
    this.#after = includeUsage ? '}],"usage":null}' : '}]}';
    this.#beforeText = `${this.#before}{"content":`;
    this.#afterText = `},"logprobs":null,"finish_reason":null${this.#after}`;
  }

  start(): string {
    return this.#chunk(`{"role":"assistant","content":${this.#tools ? 'null' : '""'},"refusal":null}`, [], 'null');
  }

  content(text: string): string {
    return this.#beforeText + JSON.stringify(text) + this.#afterText;
  }

  thought(text: string): string {
    return `${this.#before}{"reasoning_content":${JSON.stringify(text)}${this.#afterText}`;
  }

  part(part: CallPart, logprobs: readonly TokenLogprob[]): string {
    const delta = part.type === 'text' ? { content: part.text } : callDeltaOf(part, this.#style, this.#jobId);
    return this.#chunk(JSON.stringify(delta), logprobs, 'null');
  }

  finish(reason: ChatFinishReason, logprobs: readonly TokenLogprob[]): string {
    return this.#chunk('{}', logprobs, `"${reason}"`);
  }

  #chunk(delta: string, logprobs: readonly TokenLogprob[], finishReason: string): string {
    return `${this.#before}${delta},"logprobs":${logprobsText(logprobs)},"finish_reason":${finishReason}${this.#after}`;
  }
}

export function usageChunk(head: AnswerHead, usage: object): string {
  return `${beforeChoices(head)}"choices":[],"usage":${JSON.stringify(usage)}}`;
}

export function logprobsOf(logprobs: readonly TokenLogprob[]) {
  const content = logprobs.map(({ top, ...likelihood }) => ({
    ...withBytes(likelihood),
    top_logprobs: top.map(withBytes),
  }));
  return { content, refusal: null };
}

export function usageOf({ promptTokens, completionTokens, cachedTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** What one choice took. */
export interface Used {
  readonly usage: Usage;
  readonly reasoningTokens: number;
}

export function usageOfChat(choices: readonly [Used, ...Used[]]) {
  const [first, ...others] = choices;
  return {
    ...usageOf(usageOfAll([first.usage, ...others.map(({ usage }) => usage)])),
    completion_tokens_details: {
      reasoning_tokens: choices.reduce((sum, { reasoningTokens }) => sum + reasoningTokens, 0),
    },
  };
}

/** Of several choices: like OpenAI's, the prompt counts once. */
export function usageOfAll([first, ...others]: readonly [Usage, ...Usage[]]): Usage {
  return others.reduce(
    (sum, usage) => ({
      promptTokens: Math.max(sum.promptTokens, usage.promptTokens),
      completionTokens: sum.completionTokens + usage.completionTokens,
      cachedTokens: Math.max(sum.cachedTokens, usage.cachedTokens),
    }),
    first,
  );
}

function beforeChoices({ id, created, model }: AnswerHead): string {
  return `{"id":"${id}","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(model)},`;
}

function logprobsText(logprobs: readonly TokenLogprob[]): string {
  return logprobs.length === 0 ? 'null' : JSON.stringify(logprobsOf(logprobs));
}

function withBytes({ token, logprob, bytes }: Omit<TokenLogprob, 'top'>) {
  return { token, logprob, bytes: bytes ?? [...Buffer.from(token)] };
}
