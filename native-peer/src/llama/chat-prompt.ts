/** Messages to tokens. */
import type { ChatMessage } from '@tabmesh/shared';
import { createChatTemplate } from '@tabmesh/shared/chat-template';
import type { Token } from 'node-llama-cpp';

export interface Vocabulary {
  /** Special tokens in the text become tokens; nothing is added in front. */
  tokenize(text: string): Token[];
  /** Set when the model wants one at the beginning. */
  readonly bosToken: Token | undefined;
  readonly bosText: string;
  readonly eosText: string;
}

export type ChatPrompt = (messages: readonly ChatMessage[]) => Token[];

/**
 * @param source the file's `tokenizer.chat_template`
 * @throws MeshError as `createChatTemplate` and what it returns do
 */
export function createChatPrompt(source: string, vocabulary: Vocabulary): ChatPrompt {
  const template = createChatTemplate(source, vocabulary);
  const { bosToken, bosText } = vocabulary;
  return (messages) => {
    const text = template(messages);
    if (bosToken === undefined) return vocabulary.tokenize(text);
    return [bosToken, ...vocabulary.tokenize(text.startsWith(bosText) ? text.slice(bosText.length) : text)];
  };
}
