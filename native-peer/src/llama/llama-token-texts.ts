/** What a single token says. A token that is only part of a character has no text, but it has bytes. */
import { BYTE_OF } from '@tabmesh/shared/token-floor';
import { type LlamaModel, LlamaVocabularyType, type Token } from 'node-llama-cpp';

export interface TokenText {
  readonly token: string;
  readonly bytes?: number[];
}

const INCOMPLETE = '\ufffd';
const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

export class TokenTexts {
  readonly #model: LlamaModel;
  /** As the vocabulary writes them. */
  readonly #written: readonly string[];

  constructor(model: LlamaModel) {
    this.#model = model;
    this.#written = model.fileInfo.metadata.tokenizer?.ggml.tokens ?? [];
  }

  /** Ids of the vocabulary are below it; infinite where the file does not say. */
  get size(): number {
    return this.#written.length || Number.POSITIVE_INFINITY;
  }

  /** `before`: the last tokens before it, which decide on a leading space. */
  of(token: Token, before: readonly Token[]): TokenText {
    const text = this.#model.detokenize([token], true, before);
    if (!text.includes(INCOMPLETE)) return { token: text };
    const bytes = this.#bytesOf(this.#written[token] ?? '');
    if (bytes === undefined) return { token: text };
    return { token: `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`, bytes };
  }

  #bytesOf(written: string): number[] | undefined {
    const [, byte] = BYTE_TOKEN.exec(written) ?? [];
    if (byte !== undefined) return [Number.parseInt(byte, 16)];
    if (this.#model.vocabularyType !== LlamaVocabularyType.bpe) return undefined;
    const bytes = Array.from(written, (character) => BYTE_OF.get(character));
    return bytes.every((known) => known !== undefined) ? bytes : undefined;
  }
}
