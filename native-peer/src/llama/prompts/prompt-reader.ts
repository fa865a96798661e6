/**
 * Texts to tokens without holding up the peer: what can't fit is refused by its bytes, what is small is read at once, and
 * all else is read by a process of its own. llama.cpp cuts a text into tokens in one go, in a time that grows with the square
 * of some texts' length.
 */
import type { ChatMessage } from '@tabmesh/shared';
import type { Thinking } from '@tabmesh/shared/chat-template';
import { checkMessages, checkTexts } from '@tabmesh/shared/prompt-bound';
import type { Token } from 'node-llama-cpp';
import { MOST_CHARS_READ_AT_ONCE, MOST_MESSAGES_READ_AT_ONCE } from '../../limits.ts';
import type { AnswerStop } from '../answer-stop.ts';
import type { PromptProcess } from './prompt-process.ts';
import type { PromptWork, ReadPrompt } from './prompt-work.ts';

export class PromptReader {
  readonly #work: PromptWork;
  readonly #process: Pick<PromptProcess, 'read' | 'warm' | 'close'>;

  constructor(work: PromptWork, process: Pick<PromptProcess, 'read' | 'warm' | 'close'>) {
    this.#work = work;
    this.#process = process;
  }

  /** @throws MeshError `context_length_exceeded`, `invalid_request`, `cancelled`, `engine_failed` */
  async chat(
    messages: readonly ChatMessage[],
    beginning: string,
    stop: AnswerStop,
    thinking?: Thinking,
  ): Promise<ReadPrompt> {
    const size = sizeOf([...messages.map(({ content }) => content), beginning]);
    if (size.share <= 1) {
      if (size.share > WARM_FROM) this.#process.warm();
      return this.#work.chat(messages, beginning, thinking);
    }
    checkMessages(this.#work.bound, messages, beginning);
    const [prompt = [], begun = []] = await this.#process.read(
      { kind: 'chat', messages, beginning, thinking },
      size.chars,
      stop,
    );
    return { prompt, begun };
  }

  /** Each text by itself; none may have `contextTokens` tokens. */
  async plain(texts: readonly string[], contextTokens: number, stop: AnswerStop): Promise<Token[][]> {
    const size = sizeOf(texts);
    if (size.share <= 1) return this.#work.plain(texts);
    for (const text of texts) checkTexts({ ...this.#work.bound, contextTokens }, text);
    return this.#process.read({ kind: 'plain', texts }, size.chars, stop);
  }

  close(): void {
    this.#process.close();
  }
}

/** Conversations grow; where the next turn may be read by the process, it is there by then. */
const WARM_FROM = 1 / 2;

/** `share`: of what is read at once. */
function sizeOf(texts: readonly string[]): { readonly chars: number; readonly share: number } {
  const chars = texts.reduce((sum, { length }) => sum + length, 0);
  return { chars, share: Math.max(chars / MOST_CHARS_READ_AT_ONCE, texts.length / MOST_MESSAGES_READ_AT_ONCE) };
}
