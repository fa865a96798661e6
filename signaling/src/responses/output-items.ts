/** The items that an answer is made of, each with its own events while it grows: thoughts, messages and calls. */
import type { JobId, TokenLogprob } from '@tabmesh/shared';
import { callId, logprobsOf } from '../openai/chat-chunks.ts';
import { customInput } from '../openai/tools/custom-tools.ts';
import type { ToolName } from './response-tools.ts';

export interface OutputItemNames {
  /** Ids of items and calls are made from it. */
  readonly jobId: JobId;
  /** What the client calls the function that the model called. */
  nameOf(told: string): ToolName;
  /** Thoughts are told as summaries, for clients that asked for those: many show nothing else. Default: as they are. */
  readonly summarizes?: boolean;
}

export type ItemKind = 'reasoning' | 'message' | 'call';

export type PartEvent = (
  type: `response.${string}`,
  item: { readonly id: string; readonly index: number },
  fields: object,
) => void;

type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export abstract class OutputItem {
  abstract readonly kind: ItemKind;
  readonly id: string;
  /** Its place in the output. */
  readonly index: number;
  protected text = '';

  protected constructor(prefix: string, { jobId }: OutputItemNames, index: number) {
    this.id = `${prefix}_${jobId}${index}`;
    this.index = index;
  }

  /** @param told the model's name of the function that it calls */
  static open(names: OutputItemNames, index: number, kind: ItemKind, told: string): OutputItem {
    if (kind === 'reasoning') return names.summarizes ? new SummaryItem(names, index) : new ReasoningItem(names, index);
    if (kind === 'message') return new MessageItem(names, index);
    const name = names.nameOf(told);
    const id = callId(names.jobId, index);
    return name.type === 'custom' ? new CustomCallItem(names, index, id, name) : new CallItem(names, index, id, name);
  }

  /** As it is when nothing of it is known. */
  abstract beginning(): object;
  abstract begin(tell: PartEvent): void;
  abstract addText(text: string, logprobs: readonly TokenLogprob[], tell: PartEvent): void;
  abstract end(tell: PartEvent): void;
  abstract whole(status: ItemStatus): object;
}

/** What the model thinks, word for word. */
class ReasoningItem extends OutputItem {
  readonly kind = 'reasoning';

  constructor(names: OutputItemNames, index: number) {
    super('rs', names, index);
  }

  beginning(): object {
    return { type: 'reasoning', id: this.id, summary: [], content: [] };
  }

  begin(tell: PartEvent): void {
    tell('response.content_part.added', this, { content_index: 0, part: this.#part() });
  }

  addText(text: string, _logprobs: readonly TokenLogprob[], tell: PartEvent): void {
    this.text += text;
    tell('response.reasoning_text.delta', this, { content_index: 0, delta: text });
  }

  end(tell: PartEvent): void {
    tell('response.reasoning_text.done', this, { content_index: 0, text: this.text });
    tell('response.content_part.done', this, { content_index: 0, part: this.#part() });
  }

  whole(): object {
    return { type: 'reasoning', id: this.id, summary: [], content: [this.#part()] };
  }

  #part(): object {
    return { type: 'reasoning_text', text: this.text };
  }
}

/** The same where a summary is asked for: nobody here makes a shorter one. */
class SummaryItem extends OutputItem {
  readonly kind = 'reasoning';

  constructor(names: OutputItemNames, index: number) {
    super('rs', names, index);
  }

  beginning(): object {
    return { type: 'reasoning', id: this.id, summary: [] };
  }

  begin(tell: PartEvent): void {
    tell('response.reasoning_summary_part.added', this, { summary_index: 0, part: this.#part() });
  }

  addText(text: string, _logprobs: readonly TokenLogprob[], tell: PartEvent): void {
    this.text += text;
    tell('response.reasoning_summary_text.delta', this, { summary_index: 0, delta: text });
  }

  end(tell: PartEvent): void {
    tell('response.reasoning_summary_text.done', this, { summary_index: 0, text: this.text });
    tell('response.reasoning_summary_part.done', this, { summary_index: 0, part: this.#part() });
  }

  whole(): object {
    return { type: 'reasoning', id: this.id, summary: [this.#part()] };
  }

  #part(): object {
    return { type: 'summary_text', text: this.text };
  }
}

class MessageItem extends OutputItem {
  readonly kind = 'message';
  readonly #logprobs: object[] = [];

  constructor(names: OutputItemNames, index: number) {
    super('msg', names, index);
  }

  beginning(): object {
    return { ...this.whole('in_progress'), content: [] };
  }

  begin(tell: PartEvent): void {
    tell('response.content_part.added', this, { content_index: 0, part: this.#part() });
  }

  addText(text: string, logprobs: readonly TokenLogprob[], tell: PartEvent): void {
    this.text += text;
    const told = logprobsOf(logprobs).content;
    this.#logprobs.push(...told);
    tell('response.output_text.delta', this, { content_index: 0, delta: text, logprobs: told });
  }

  end(tell: PartEvent): void {
    tell('response.output_text.done', this, { content_index: 0, text: this.text, logprobs: this.#logprobs });
    tell('response.content_part.done', this, { content_index: 0, part: this.#part() });
  }

  whole(status: ItemStatus): object {
    return { type: 'message', id: this.id, status, role: 'assistant', content: [this.#part()] };
  }

  #part(): object {
    return { type: 'output_text', text: this.text, annotations: [], logprobs: [...this.#logprobs] };
  }
}

class CallItem extends OutputItem {
  readonly kind = 'call';
  readonly #callId: string;
  readonly #name: ToolName;

  constructor(names: OutputItemNames, index: number, id: string, name: ToolName) {
    super('fc', names, index);
    this.#callId = id;
    this.#name = name;
  }

  beginning(): object {
    return this.whole('in_progress');
  }

  begin(): void {}

  addText(text: string, _logprobs: readonly TokenLogprob[], tell: PartEvent): void {
    this.text += text;
    tell('response.function_call_arguments.delta', this, { delta: text });
  }

  end(tell: PartEvent): void {
    tell('response.function_call_arguments.done', this, { name: this.#name.name, arguments: this.text });
  }

  whole(status: ItemStatus): object {
    const { name, namespace } = this.#name;
    return {
      type: 'function_call',
      id: this.id,
      status,
      call_id: this.#callId,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      arguments: this.text,
    };
  }
}

/** Its text stands within JSON, so it is told in one piece, once that is complete. */
class CustomCallItem extends OutputItem {
  readonly kind = 'call';
  readonly #callId: string;
  readonly #name: ToolName;

  constructor(names: OutputItemNames, index: number, id: string, name: ToolName) {
    super('ctc', names, index);
    this.#callId = id;
    this.#name = name;
  }

  beginning(): object {
    return this.#item('in_progress', '');
  }

  begin(): void {}

  addText(text: string): void {
    this.text += text;
  }

  end(tell: PartEvent): void {
    const input = customInput(this.text);
    tell('response.custom_tool_call_input.delta', this, { delta: input });
    tell('response.custom_tool_call_input.done', this, { input });
  }

  whole(status: ItemStatus): object {
    return this.#item(status, customInput(this.text));
  }

  #item(status: ItemStatus, input: string): object {
    const { name, namespace } = this.#name;
    return {
      type: 'custom_tool_call',
      id: this.id,
      status,
      call_id: this.#callId,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      input,
    };
  }
}
