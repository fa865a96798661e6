/**
 * The calls of an answer whose tools may be custom ones: a function's arguments go on as they come, a custom tool's become
 * the text that they hold. That is told once it is whole, because until then it is a part of a JSON text.
 */
import { customInput } from './custom-tools.ts';
import type { AnswerPart, ToolCallReader } from './tool-call-reader.ts';

export type CallPart =
  | AnswerPart
  /** All of what the custom tool of this call is given. */
  | { readonly type: 'input'; readonly index: number; readonly text: string };

/** What an answer's reader needs of whoever takes the calls out of it. */
export interface CallReader {
  /** So far. */
  readonly calls: number;
  push(text: string): readonly CallPart[];
  end(): readonly CallPart[];
}

export class FreeformCalls implements CallReader {
  readonly #reader: ToolCallReader;
  readonly #names: ReadonlySet<string>;
  #open: { readonly index: number; given: string } | undefined;

  /** @param names of the custom tools */
  constructor(reader: ToolCallReader, names: ReadonlySet<string>) {
    this.#reader = reader;
    this.#names = names;
  }

  get calls(): number {
    return this.#reader.calls;
  }

  push(text: string): readonly CallPart[] {
    return this.#reader.push(text).flatMap((part) => this.#turned(part));
  }

  end(): readonly CallPart[] {
    return [...this.#reader.end().flatMap((part) => this.#turned(part)), ...this.#closed()];
  }

  #turned(part: AnswerPart): CallPart[] {
    if (part.type === 'arguments') {
      if (this.#open === undefined) return [part];
      this.#open.given += part.text;
      return [];
    }
    const closed = this.#closed();
    if (part.type === 'call' && this.#names.has(part.name)) this.#open = { index: part.index, given: '' };
    return [...closed, part];
  }

  #closed(): CallPart[] {
    if (this.#open === undefined) return [];
    const { index, given } = this.#open;
    this.#open = undefined;
    return [{ type: 'input', index, text: customInput(given) }];
  }
}
