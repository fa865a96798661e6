/**
 * What a loaded model makes of texts: its tokens, at once and however long that takes. `PromptReader` decides who calls it:
 * the peer itself for what is small, a process of its own for what is not.
 */
import type { ChatMessage } from '@tabmesh/shared';
import { createChatTemplate, type Thinking } from '@tabmesh/shared/chat-template';
import { checkTexts, leastPerMessage, type PromptBound } from '@tabmesh/shared/prompt-bound';
import { createTokenFloor } from '@tabmesh/shared/token-floor';
import type { LlamaModel, Token } from 'node-llama-cpp';
import { MOST_CHARS_READ_AT_ONCE } from '../../limits.ts';
import { type ChatPrompt, createChatPrompt, type Vocabulary } from './chat-prompt.ts';

export interface ReadPrompt {
  readonly prompt: Token[];
  /** Of the beginning of the answer. */
  readonly begun: Token[];
}

const FAR_TOO_LONG = 2;

export class PromptWork {
  readonly #model: LlamaModel;
  readonly #chat: ChatPrompt;
  readonly bound: PromptBound;

  /** @throws MeshError `model_invalid` when the template can't be read */
  constructor(model: LlamaModel, chatTemplate: string, contextTokens: number) {
    const { model: tokenizer, tokens = [] } = model.fileInfo.metadata.tokenizer?.ggml ?? {};
    this.#model = model;
    const floor = createTokenFloor(tokens, tokenizer);
    const vocabulary = vocabularyOf(model);
    const perMessageTokens = leastPerMessage(createChatTemplate(chatTemplate, vocabulary), floor);
    this.bound = { contextTokens, floor, perMessageTokens, slack: FAR_TOO_LONG };
    this.#chat = createChatPrompt(chatTemplate, vocabulary, this.bound);
  }

  /** @throws MeshError `invalid_request`, `context_length_exceeded` where the bytes alone tell it */
  chat(messages: readonly ChatMessage[], beginning: string, thinking?: Thinking): ReadPrompt {
    if (beginning.length > MOST_CHARS_READ_AT_ONCE) checkTexts(this.bound, beginning);
    const prompt = this.#chat(messages, thinking);
    // What a model wrote is plain text, whatever it looks like, and no space goes in front of it.
    return { prompt, begun: this.#model.tokenize(beginning, false, 'trimLeadingSpace') };
  }

  /** Each text by itself, as plain text. */
  plain(texts: readonly string[]): Token[][] {
    return texts.map((text) => this.#model.tokenize(text, false));
  }
}

function vocabularyOf(model: LlamaModel): Vocabulary {
  const { tokens } = model;
  return {
    tokenize: (text, specialTokens) => model.tokenize(text, specialTokens),
    bosToken: tokens.shouldPrependBosToken ? (tokens.bos ?? undefined) : undefined,
    bosText: tokens.bosString ?? '',
    eosText: tokens.eosString ?? '',
    controlTexts: controlTextsOf(model),
  };
}

/** Some files call a control token a normal one; llama.cpp knows those by their looks, and better. */
const MAYBE_CONTROL = /^[<[].*[>\]]$|^<[|｜]/s;
/** llama.cpp's numbers in GGUF files. */
const NORMAL = 1;
const BYTE = 6;

function controlTextsOf(model: LlamaModel): string[] {
  const { tokens = [], token_type: types = [] } = model.fileInfo.metadata.tokenizer?.ggml ?? {};
  return tokens.filter((text, id) => {
    if (types[id] === BYTE || (types[id] === NORMAL && !MAYBE_CONTROL.test(text))) return false;
    const { control, unknown } = model.getTokenAttributes(id as Token);
    return control || unknown;
  });
}
