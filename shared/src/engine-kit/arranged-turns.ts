/**
 * A conversation put in an order that a strict chat template takes. People and programs send whatever they have: two system
 * messages, an answer at the beginning, results of tools that nobody called. Templates of many models refuse all but one
 * system message, or none, and then users and answers in turns; some pass over a message without a word.
 */
import type { ChatMessage } from '../protocol/messages.ts';

type Messages = readonly ChatMessage[];

/** Each further from what was sent than the one before, so that the first that is taken is the nearest. */
export function* arrangedTurns(messages: Messages): Generator<Messages, void, undefined> {
  const folded = withSystemInUser(messages);
  if (folded !== undefined) yield folded;
  const orders = [messages, messages.map(asUsers)];
  for (const order of messages.some(({ role }) => role === 'tool') ? orders : [messages]) {
    const turns = inTurns(order);
    for (const ending of new Set([turns, endedByUser(turns)])) {
      yield ending;
      const foldedEnding = withSystemInUser(ending);
      if (foldedEnding !== undefined) yield foldedEnding;
    }
  }
}

/**
 * One system message at most, in front; then turns that begin with a user's. What a system message says later stands where
 * it stood, as the user's: at the beginning it would speak of what has not happened yet.
 */
export function inTurns(messages: Messages): Messages {
  const first = messages.findIndex(({ role }) => role !== 'system');
  const begin = first === -1 ? messages.length : first;
  const system = joined(messages.slice(0, begin).map(({ content }) => content));
  // Texts are joined once: one by one, ten thousand of them took seconds.
  const turns: { readonly message: ChatMessage; readonly texts: string[] }[] = [];
  for (const message of messages.slice(begin)) {
    const turn: ChatMessage = message.role === 'system' ? { ...message, role: 'user' } : message;
    const last = turns.at(-1);
    if (last === undefined && turn.role !== 'user') turns.push({ message: NOTHING_SAID, texts: [] });
    // Results of several calls are as many messages for every template that knows them.
    if (last?.message.role === turn.role && turn.role !== 'tool') last.texts.push(turn.content);
    else turns.push({ message: turn, texts: [turn.content] });
  }
  const told = turns.map(({ message, texts }) => ({ ...message, content: joined(texts) }));
  if (told.length === 0) told.push(NOTHING_SAID);
  return system === '' ? told : [{ role: 'system', content: system }, ...told];
}

/** For engines that answer a user only: behind an answer there is a user who says nothing. */
export function endedByUser(turns: Messages): Messages {
  return turns.at(-1)?.role === 'assistant' ? [...turns, NOTHING_SAID] : turns;
}

/** Whether a prompt has what every message says, by how each begins: the whole of long ones would take long to find. */
export function saysAll(prompt: string, messages: Messages): boolean {
  let from = 0;
  return messages.every(({ role, content }, index) => {
    // Of answers a template may leave out the thoughts.
    if (role === 'assistant') return true;
    const beginning = beginningOf(role, content.trim().slice(0, COMPARED_CHARS).trimEnd());
    // Some templates put the system's words in front of the last question.
    const at = prompt.indexOf(beginning, index === 0 ? 0 : from);
    if (index > 0 || role === 'user') from = at + beginning.length;
    return at !== -1;
  });
}

/** Results of tools are written as JSON by some templates. */
function beginningOf(role: ChatMessage['role'], text: string): string {
  return role === 'tool' ? (/^[\w .-]*/.exec(text)?.[0] ?? '') : text;
}

const COMPARED_CHARS = 64;
const NOTHING_SAID: ChatMessage = { role: 'user', content: '' };

/** Some templates (Gemma's) know no system role; its text then goes in front of the first user message. */
function withSystemInUser([system, user, ...rest]: Messages): Messages | undefined {
  if (system?.role !== 'system' || user?.role !== 'user') return undefined;
  return [{ ...user, content: joined([system.content, user.content]) }, ...rest];
}

function asUsers(message: ChatMessage): ChatMessage {
  return message.role === 'tool' ? { ...message, role: 'user' } : message;
}

function joined(texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join('\n\n');
}
