/**
 * One response as it grows: its items, and OpenAI's events in their order. Streamed and whole answers go through it alike;
 * only the first are told of the events.
 */
import type { FinishReason, JobId, TokenLogprob, Usage } from '@tabmesh/shared';
import { callId, logprobsOf } from '../chat-chunks.ts';
import type { AnswerPart } from '../tools/tool-call-reader.ts';

export interface ResponseEvent {
  readonly type: `response.${string}`;
  readonly sequence_number: number;
}

export interface ResponseHead {
  /** Of the job; ids of the response and its items are made from it. */
  readonly jobId: JobId;
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

type Item =
  | { readonly type: 'message'; readonly id: string; text: string; logprobs: object[] }
  | {
      readonly type: 'function_call';
      readonly id: string;
      readonly callId: string;
      readonly name: string;
      arguments: string;
    };

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

export class ResponseBuilder {
  readonly #head: ResponseHead;
  readonly #emit: ((event: ResponseEvent) => void) | undefined;
  readonly #done: object[] = [];
  #open: Item | undefined;
  #sequence = 0;

  /** @param emit absent: nobody listens */
  constructor(head: ResponseHead, emit?: (event: ResponseEvent) => void) {
    this.#head = head;
    this.#emit = emit;
  }

  begin(): void {
    if (this.#emit === undefined) return;
    const response = this.#response('in_progress');
    this.#tell('response.created', { response });
    this.#tell('response.in_progress', { response });
  }

  add(part: AnswerPart, logprobs: readonly TokenLogprob[] = []): void {
    if (part.type === 'call') this.#openCall(part.name);
    else if (part.type === 'text') this.#addText(part.text, logprobs);
    else this.#addArguments(part.text);
  }

  /** Gives the response. */
  end(reason: FinishReason, usage: Usage, completed: number): object {
    const isCut = reason === 'length';
    if (this.#open === undefined && this.#done.length === 0) this.#openMessage();
    this.#close(isCut ? 'incomplete' : 'completed');
    const response = this.#response(isCut ? 'incomplete' : 'completed', {
      completed_at: isCut ? null : completed,
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      usage: usageOf(usage),
    });
    this.#tell(isCut ? 'response.incomplete' : 'response.completed', { response });
    return response;
  }

  fail(error: { readonly code: string; readonly message: string }): void {
    if (this.#open !== undefined) this.#done.push(whole(this.#open, 'incomplete'));
    this.#open = undefined;
    this.#tell('response.failed', { response: this.#response('failed', { error }) });
  }

  #addText(text: string, logprobs: readonly TokenLogprob[]): void {
    const item = this.#open?.type === 'message' ? this.#open : this.#openMessage();
    item.text += text;
    const told = logprobsOf(logprobs).content;
    item.logprobs.push(...told);
    this.#tell('response.output_text.delta', { ...this.#place(item), content_index: 0, delta: text, logprobs: told });
  }

  #addArguments(text: string): void {
    const item = this.#open;
    if (item?.type !== 'function_call') throw new Error('Arguments belong to a call.');
    item.arguments += text;
    this.#tell('response.function_call_arguments.delta', { ...this.#place(item), delta: text });
  }

  #openMessage(): Extract<Item, { type: 'message' }> {
    this.#close('completed');
    const item = { type: 'message' as const, id: this.#itemId('msg'), text: '', logprobs: [] };
    this.#open = item;
    this.#tellAdded(item, { ...whole(item, 'in_progress'), content: [] });
    this.#tell('response.content_part.added', { ...this.#place(item), content_index: 0, part: partOf(item) });
    return item;
  }

  #openCall(name: string): void {
    this.#close('completed');
    const call = { callId: callId(this.#head.jobId, this.#done.length), name, arguments: '' };
    const item = { type: 'function_call' as const, id: this.#itemId('fc'), ...call };
    this.#open = item;
    this.#tellAdded(item, whole(item, 'in_progress'));
  }

  #close(status: 'completed' | 'incomplete'): void {
    const item = this.#open;
    if (item === undefined) return;
    const place = this.#place(item);
    if (item.type === 'message') {
      const { text, logprobs } = item;
      this.#tell('response.output_text.done', { ...place, content_index: 0, text, logprobs });
      this.#tell('response.content_part.done', { ...place, content_index: 0, part: partOf(item) });
    } else {
      this.#tell('response.function_call_arguments.done', { ...place, name: item.name, arguments: item.arguments });
    }
    this.#tell('response.output_item.done', { output_index: place.output_index, item: whole(item, status) });
    this.#done.push(whole(item, status));
    this.#open = undefined;
  }

  #tellAdded(item: Item, added: object): void {
    this.#tell('response.output_item.added', { output_index: this.#place(item).output_index, item: added });
  }

  #tell(type: ResponseEvent['type'], fields: object): void {
    this.#emit?.({ type, sequence_number: this.#sequence, ...fields });
    this.#sequence += 1;
  }

  /** Of the open item. */
  #place({ id }: Item) {
    return { item_id: id, output_index: this.#done.length };
  }

  #itemId(kind: string): string {
    return `${kind}_${this.#head.jobId}${this.#done.length}`;
  }

  #response(status: Status, fields: object = {}): object {
    const { jobId, created, model, settings } = this.#head;
    return {
      id: `resp_${jobId}`,
      object: 'response',
      created_at: created,
      completed_at: null,
      status,
      background: false,
      error: null,
      incomplete_details: null,
      model,
      output: [...this.#done],
      ...settings,
      usage: null,
      ...fields,
    };
  }
}

function whole(item: Item, status: Status): object {
  const { type, id } = item;
  if (item.type === 'message') return { type, id, status, role: 'assistant', content: [partOf(item)] };
  return { type, id, status, call_id: item.callId, name: item.name, arguments: item.arguments };
}

function partOf({ text, logprobs }: Extract<Item, { type: 'message' }>): object {
  return { type: 'output_text', text, annotations: [], logprobs: [...logprobs] };
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: Usage) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}
