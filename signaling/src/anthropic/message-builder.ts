/**
 * One message as it grows: its blocks, and Anthropic's events in their order. Streamed and whole answers go through it
 * alike; only the first are told of the events.
 */
import type { FinishReason, JobId, Usage } from '@tabmesh/shared';
import type { AnswerPart } from '../openai/tools/tool-call-reader.ts';

export interface MessageHead {
  readonly jobId: JobId;
  readonly model: string;
}

export interface MessageEvent {
  readonly type: string;
}

type Block =
  | { readonly type: 'text'; text: string }
  | { readonly type: 'thinking'; text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; text: string };

export interface MessageEnd {
  readonly reason: FinishReason;
  readonly usage: Usage;
  /** The stop sequence that ended the answer, where a peer said so. */
  readonly stopText?: string | undefined;
}

export class MessageBuilder {
  readonly #head: MessageHead;
  readonly #emit: ((event: MessageEvent) => void) | undefined;
  readonly #blocks: Block[] = [];
  #isOpen = false;
  #calls = 0;

  /** @param emit absent: nobody listens */
  constructor(head: MessageHead, emit?: (event: MessageEvent) => void) {
    this.#head = head;
    this.#emit = emit;
  }

  begin(): void {
    // How long the prompt was is known when the answer has ended.
    this.#tell('message_start', { message: this.#message([], null, null, usageOf(NOTHING)) });
    this.#tell('ping', {});
  }

  think(text: string): void {
    this.#append('thinking', text);
  }

  add(part: AnswerPart): void {
    if (part.type !== 'call') {
      this.#append(part.type === 'text' ? 'text' : 'tool_use', part.text);
      return;
    }
    // What clients send back with a result.
    const id = `toolu_${this.#head.jobId.slice(0, 24)}_${this.#calls}`;
    this.#calls += 1;
    this.#open({ type: 'tool_use', id, name: part.name, text: '' });
  }

  /** Gives the message. */
  end({ reason, usage, stopText }: MessageEnd): object {
    this.#close();
    const stopReason = this.#stopReason(reason, stopText);
    const stopSequence = stopReason === 'stop_sequence' ? (stopText ?? null) : null;
    const told = usageOf(usage);
    this.#tell('message_delta', {
      delta: { stop_reason: stopReason, stop_sequence: stopSequence, stop_details: null, container: null },
      usage: told,
    });
    this.#tell('message_stop', {});
    return this.#message(this.#blocks.map(wholeBlock), stopReason, stopSequence, told);
  }

  #stopReason(reason: FinishReason, stopText: string | undefined): string {
    if (reason === 'length') return 'max_tokens';
    if (this.#calls > 0) return 'tool_use';
    return stopText === undefined ? 'end_turn' : 'stop_sequence';
  }

  #append(type: Block['type'], text: string): void {
    const last = this.#isOpen ? this.#blocks.at(-1) : undefined;
    if (last?.type === type) last.text += text;
    else if (type === 'tool_use') throw new Error('Arguments belong to a call.');
    else this.#open({ type, text });
    this.#tell('content_block_delta', { index: this.#blocks.length - 1, delta: deltaOf(type, text) });
  }

  #open(block: Block): void {
    this.#close();
    this.#blocks.push(block);
    this.#isOpen = true;
    this.#tell('content_block_start', { index: this.#blocks.length - 1, content_block: emptyBlock(block) });
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const index = this.#blocks.length - 1;
    if (this.#blocks.at(-1)?.type === 'thinking') {
      this.#tell('content_block_delta', { index, delta: { type: 'signature_delta', signature: SIGNATURE } });
    }
    this.#tell('content_block_stop', { index });
  }

  #tell(type: string, fields: object): void {
    this.#emit?.({ type, ...fields });
  }

  #message(content: readonly object[], stopReason: string | null, stopSequence: string | null, usage: object): object {
    return {
      id: `msg_${this.#head.jobId}`,
      type: 'message',
      role: 'assistant',
      model: this.#head.model,
      content,
      stop_reason: stopReason,
      stop_sequence: stopSequence,
      stop_details: null,
      container: null,
      usage,
    };
  }
}

/** Thoughts are nobody's secret here, so nothing vouches for them. */
const SIGNATURE = '';
const NOTHING: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };

function deltaOf(type: Block['type'], text: string): object {
  switch (type) {
    case 'text':
      return { type: 'text_delta', text };
    case 'thinking':
      return { type: 'thinking_delta', thinking: text };
    case 'tool_use':
      return { type: 'input_json_delta', partial_json: text };
    default:
      return type satisfies never;
  }
}

function emptyBlock(block: Block): object {
  if (block.type === 'text') return { type: 'text', text: '', citations: null };
  if (block.type === 'thinking') return { type: 'thinking', thinking: '', signature: SIGNATURE };
  return { type: 'tool_use', id: block.id, name: block.name, input: {} };
}

function wholeBlock(block: Block): object {
  if (block.type === 'text') return { type: 'text', text: block.text, citations: null };
  if (block.type === 'thinking') return { type: 'thinking', thinking: block.text, signature: SIGNATURE };
  return { type: 'tool_use', id: block.id, name: block.name, input: inputOf(block.text) };
}

/** What a model wrote that is no JSON object reaches the client under the name that Anthropic has for it. */
function inputOf(text: string): object {
  try {
    const input: unknown = JSON.parse(text);
    if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input;
  } catch {
    // Cut off, or never one.
  }
  return text.trim() === '' ? {} : { INVALID_JSON: text };
}

/** As Anthropic counts: tokens that were read from a kept prefix are not among the input. */
function usageOf({ promptTokens, completionTokens, cachedTokens }: Usage) {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  };
}
