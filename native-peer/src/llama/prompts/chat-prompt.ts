/** Messages to tokens. */
import type { ChatMessage } from '@tabmesh/shared';
import { createChatTemplate, type Thinking } from '@tabmesh/shared/chat-template';
import { ControlTexts } from '@tabmesh/shared/control-texts';
import { checkTexts, type PromptBound } from '@tabmesh/shared/prompt-bound';
import type { Token } from 'node-llama-cpp';

import { MOST_CHARS_READ_AT_ONCE } from '../../limits.ts';

export interface Vocabulary {
  /** Special tokens in the text become tokens where they are asked for; nothing is added in front. */
  tokenize(text: string, specialTokens: boolean): Token[];
  /** Set when the model wants one at the beginning. */
  readonly bosToken: Token | undefined;
  readonly bosText: string;
  readonly eosText: string;
  /** Of the tokens that only the template may write. */
  readonly controlTexts: readonly string[];
}

export type ChatPrompt = (messages: readonly ChatMessage[], thinking?: Thinking) => Token[];

/** Unicode has it for a program's own use; nobody writes it. */
const MARK = '\ufdd0';

/**
 * @param source the file's `tokenizer.chat_template`
 * @throws MeshError as `createChatTemplate` and what it returns do; `context_length_exceeded`
 */
export function createChatPrompt(source: string, vocabulary: Vocabulary, bound: PromptBound): ChatPrompt {
  const template = createChatTemplate(source, vocabulary);
  const { bosToken, bosText } = vocabulary;
  const control = new ControlTexts(vocabulary.controlTexts);
  const tokensOf = (text: string) =>
    text.includes(MARK) ? tokensAroundMarks(text, control, vocabulary) : vocabulary.tokenize(text, true);
  return (messages, thinking) => {
    const plain = messages.map((message) => withoutControl(message, control));
    const text = template(plain, thinking);
    if (text.length > MOST_CHARS_READ_AT_ONCE) checkTexts(bound, text);
    if (bosToken === undefined) return tokensOf(text);
    return [bosToken, ...tokensOf(text.startsWith(bosText) ? text.slice(bosText.length) : text)];
  };
}

/** The template reads the texts, so the control tokens in them are broken up rather than left out. */
function withoutControl(message: ChatMessage, control: ControlTexts): ChatMessage {
  const plain = message.content.replaceAll(MARK, '');
  const content = control.broken(plain, MARK);
  return content === message.content ? message : { ...message, content };
}

/** What has a mark is a message's own text, between control tokens of the template: its own are told apart by the marks. */
function tokensAroundMarks(text: string, control: ControlTexts, { tokenize }: Vocabulary): Token[] {
  const tokens: Token[] = [];
  let templated = '';
  const add = (more: readonly Token[]) => {
    for (const token of more) tokens.push(token);
  };
  for (const part of control.split(text)) {
    if (!part.includes(MARK)) {
      templated += part;
      continue;
    }
    add(tokenize(templated, true));
    templated = '';
    add(tokenize(part.replaceAll(MARK, ''), false));
  }
  add(tokenize(templated, true));
  return tokens;
}
