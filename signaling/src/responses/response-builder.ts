/**
 * One response as it grows: its items, and OpenAI's events in their order. Streamed and whole answers go through it alike;
 * only the first are told of the events.
 */
import type { FinishReason, TokenLogprob, Usage } from '@tabmesh/shared';
import type { AnswerPart } from '../openai/tools/tool-call-reader.ts';
import { type ItemKind, OutputItem, type OutputItemNames, type PartEvent } from './output-items.ts';

export interface ResponseEvent {
  readonly type: `response.${string}`;
  readonly sequence_number: number;
}

export interface ResponseHead extends OutputItemNames {
  readonly id: string;
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

export interface ResponseObject {
  readonly id: string;
  readonly status: ResponseStatus;
  readonly output: readonly object[];
}

export class ResponseBuilder {
  #head: ResponseHead;
  readonly #emit: ((event: ResponseEvent) => void) | undefined;
  readonly #done: object[] = [];
  #open: OutputItem | undefined;
  #sequence = 0;
  #reasoningTokens = 0;
  /** Of a model that thinks within a call: told once the call is whole. */
  #waitingThought = '';
  #state: 'new' | 'queued' | 'begun' | 'ended' = 'new';

  /** @param emit absent: nobody listens */
  constructor(head: ResponseHead, emit?: (event: ResponseEvent) => void) {
    this.#head = head;
    this.#emit = emit;
  }

  /** For one that nobody serves yet. */
  queue(): void {
    this.#state = 'queued';
    if (this.#emit === undefined) return;
    const response = this.response('queued');
    this.#tell('response.created', { response });
    this.#tell('response.queued', { response });
  }

  /** @param head what is known once somebody serves it */
  begin(head: Partial<ResponseHead> = {}): void {
    this.#head = { ...this.#head, ...head };
    const isNew = this.#state === 'new';
    this.#state = 'begun';
    if (this.#emit === undefined) return;
    const response = this.response('in_progress');
    if (isNew) this.#tell('response.created', { response });
    this.#tell('response.in_progress', { response });
  }

  add(part: AnswerPart, logprobs: readonly TokenLogprob[] = []): void {
    if (part.type !== 'arguments') this.#tellThought();
    if (part.type === 'call') this.#openItem('call', part.name);
    else if (part.type === 'text') this.#itemFor('message').addText(part.text, logprobs, this.#tellOfItem);
    else this.#itemFor('call').addText(part.text, [], this.#tellOfItem);
  }

  /** What the model thinks before it answers, or in between. */
  addThought(text: string, tokenCount: number): void {
    this.#reasoningTokens += tokenCount;
    this.#waitingThought += text;
    if (this.#open?.kind !== 'call') this.#tellThought();
  }

  /** Gives the response. */
  end(reason: FinishReason, usage: Usage, completed: number): ResponseObject {
    const isCut = reason === 'length';
    this.#tellThought();
    // An answer that is none is a message without a word, unless the model never came to answering.
    const hasAnswer = this.#open?.kind === 'reasoning' ? isCut : this.#open !== undefined || this.#done.length > 0;
    if (!hasAnswer) this.#openItem('message');
    this.#close(isCut ? 'incomplete' : 'completed');
    return this.#finish(isCut ? 'incomplete' : 'completed', {
      completed_at: isCut ? null : completed,
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      usage: usageOf(usage, this.#reasoningTokens),
    });
  }

  fail(error: { readonly code: string; readonly message: string }): ResponseObject {
    this.#leaveOpen();
    return this.#finish('failed', { error });
  }

  cancel(): ResponseObject {
    this.#leaveOpen();
    return this.#finish('cancelled', {});
  }

  /** As it is now. */
  response(status: ResponseStatus = this.#state === 'queued' ? 'queued' : 'in_progress', fields: object = {}) {
    const { id, created, model, settings } = this.#head;
    return {
      id,
      object: 'response',
      created_at: created,
      completed_at: null,
      status,
      error: null,
      incomplete_details: null,
      model,
      output: [...this.#done],
      ...settings,
      usage: null,
      ...fields,
    };
  }

  #finish(status: Exclude<ResponseStatus, 'queued' | 'in_progress'>, fields: object): ResponseObject {
    this.#state = 'ended';
    const response = this.response(status, fields);
    // OpenAI has no event for what was cancelled: it is incomplete, by its status.
    this.#tell(`response.${status === 'cancelled' ? 'incomplete' : status}`, { response });
    return response;
  }

  #tellThought(): void {
    const text = this.#waitingThought;
    this.#waitingThought = '';
    if (text !== '') this.#itemFor('reasoning').addText(text, [], this.#tellOfItem);
  }

  /** Calls and texts are told in their order, so the open item is the one that is written to. */
  #itemFor(kind: ItemKind): OutputItem {
    const open = this.#open;
    if (open?.kind === kind) return open;
    if (kind === 'call') throw new Error('Arguments belong to a call.');
    return this.#openItem(kind);
  }

  #openItem(kind: ItemKind, name = ''): OutputItem {
    this.#close('completed');
    const item = OutputItem.open(this.#head, this.#done.length, kind, name);
    this.#open = item;
    this.#tell('response.output_item.added', { output_index: item.index, item: item.beginning() });
    item.begin(this.#tellOfItem);
    return item;
  }

  #close(status: 'completed' | 'incomplete'): void {
    const item = this.#open;
    if (item === undefined) return;
    item.end(this.#tellOfItem);
    const whole = item.whole(status);
    this.#tell('response.output_item.done', { output_index: item.index, item: whole });
    this.#done.push(whole);
    this.#open = undefined;
  }

  /** What was begun when it broke off. */
  #leaveOpen(): void {
    if (this.#open !== undefined) this.#done.push(this.#open.whole('incomplete'));
    this.#open = undefined;
  }

  readonly #tellOfItem: PartEvent = (type, { id, index }, fields) =>
    this.#tell(type, { item_id: id, output_index: index, ...fields });

  #tell(type: ResponseEvent['type'], fields: object): void {
    this.#emit?.({ type, sequence_number: this.#sequence, ...fields });
    this.#sequence += 1;
  }
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: Usage, reasoningTokens: number) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: promptTokens + completionTokens,
  };
}
