/** The text of an answer's parts, as the model wrote it and in whole characters. */
import type { AnswerPart } from './server-protocol.ts';

const THOUGHT_BEGINS = '<think>\n';
const THOUGHT_ENDS = '\n</think>\n\n';

export class PartText {
  #thinking = false;
  #half = '';

  /** Thoughts that a server took out are put back where they were; what can't become a character is left out. */
  push({ text, thought }: Pick<AnswerPart, 'text' | 'thought'>): string {
    let arrived = this.#half;
    if (thought !== '') {
      if (!this.#thinking) arrived += THOUGHT_BEGINS;
      this.#thinking = true;
      arrived += thought;
    }
    if (text !== '') {
      if (this.#thinking) arrived += THOUGHT_ENDS;
      this.#thinking = false;
      arrived += text;
    }
    this.#half = /[\ud800-\udbff]$/.exec(arrived)?.[0] ?? '';
    const whole = arrived.slice(0, arrived.length - this.#half.length);
    return whole.replace(NO_CHARACTER, '');
  }
}

/** Halves without their other half, and what a server wrote in their place. */
const NO_CHARACTER = /\ufffd|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
