/** Refuses what can't fit into a context before anything is done with it that takes time by its length. */
import { MeshError } from '../errors.ts';
import type { ChatMessage } from '../protocol/messages.ts';
import type { ChatTemplate } from './chat-template.ts';
import type { TokenFloor } from './token-floor.ts';

export interface PromptBound {
  readonly contextTokens: number;
  readonly floor: TokenFloor;
  /** What the template writes around each message, at least. */
  readonly perMessageTokens: number;
  /** Refused from so many times the context on: what is shorter is refused by its exact count, which people shorten by. */
  readonly slack: number;
}

/** @throws MeshError `context_length_exceeded` with the least count */
export function checkTexts({ floor, ...bound }: PromptBound, ...texts: readonly string[]): void {
  check(
    bound,
    texts.reduce((sum, text) => sum + floor(text), 0),
  );
}

/**
 * Of what an assistant said a template may leave out parts (thoughts), and of every text the blanks at its ends.
 * @param beginning of the answer
 * @throws MeshError `context_length_exceeded` with the least count
 */
export function checkMessages(
  { floor, ...bound }: PromptBound,
  messages: readonly ChatMessage[],
  beginning: string,
): void {
  const surely = messages.flatMap(({ role, content }) => (role === 'assistant' ? [] : [content.trim()]));
  check(bound, floor([...surely, beginning].join('')) + messages.length * bound.perMessageTokens);
}

/** Of a template that knows one way to write a turn; 0 for one that writes messages of one role in a row as one. */
export function leastPerMessage(template: ChatTemplate, floor: TokenFloor): number {
  const question: ChatMessage = { role: 'user', content: '' };
  const answer: ChatMessage = { role: 'assistant', content: '' };
  try {
    const once = floor(template([question, answer, question]));
    const turns = floor(template([question, answer, question, answer, question]));
    const rows = floor(template([question, answer, question, question, question]));
    return Math.min(MOST_PER_MESSAGE, Math.max(0, (Math.min(turns, rows) - once) / 2));
  } catch {
    return 0;
  }
}

/** Messages of one role in a row may be written as one, with little between them. */
const MOST_PER_MESSAGE = 2;

function check({ contextTokens, slack }: Omit<PromptBound, 'floor'>, tokens: number): void {
  const least = Math.ceil(tokens);
  if (least >= contextTokens * slack) throw MeshError.contextLengthExceeded(least, contextTokens, { atLeast: true });
}
