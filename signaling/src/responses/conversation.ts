/**
 * The whole conversation that a response answers: what was kept of it (`previous_response_id`, `item_reference`) in front of
 * and between what was sent. Where it is longer than the model's context and the client allows it, its oldest turns go.
 */
import { MeshError } from '@tabmesh/shared';
import { RequestRefusal } from '../http/error-reply.ts';
import { fieldError } from '../http/request-body.ts';
import { ECHOED_CHARS, MAX_MESSAGES, MAX_REFERRED_BYTES, MAX_STORED_CONVERSATION_BYTES } from '../limits/limits.ts';
import type { ItemReference, ResponseItem } from './response-input.ts';

export interface Conversation {
  readonly items: readonly ResponseItem[];
  /** Of those that were kept: a small request can ask for much. */
  readonly keptBytes: number;
}

/** Of one client: nobody reads the conversations of others. */
export interface Conversations {
  /** @throws RequestRefusal `response_not_found`; MeshError `invalid_request` for one that has grown too long */
  whole(input: readonly (ResponseItem | ItemReference)[], previousId: string | undefined): Conversation;
}

/** A response and what led to it. */
export interface KeptConversation {
  /** What reading it costs. */
  readonly bytes: number;
  items(): readonly ResponseItem[];
}

/** What a client has here. */
export interface KeptItems {
  conversationOf(responseId: string): KeptConversation | undefined;
  /** The newest that has the item. */
  conversationWith(itemId: string): KeptConversation | undefined;
}

export function conversationsOf(kept: KeptItems): Conversations {
  return {
    whole(input, previousId) {
      const reader = new KeptReader(kept);
      const before = previousId === undefined ? [] : reader.behind(previousId);
      const items = [
        ...before,
        ...input.map((item, index) => (item.type === 'item_reference' ? reader.item(item.id, index) : item)),
      ];
      if (items.length > MAX_MESSAGES) {
        throw fieldError('input', `makes a conversation of more than ${MAX_MESSAGES} items. Begin a new one.`);
      }
      return { items, keptBytes: reader.bytes };
    },
  };
}

/** What has to be read of the store for a body, before anything of it is checked. */
export function bytesToRead(kept: KeptItems, body: unknown): number {
  if (typeof body !== 'object' || body === null) return 0;
  const conversations = new Set<KeptConversation | undefined>();
  if ('previous_response_id' in body) conversations.add(kept.conversationOf(String(body.previous_response_id)));
  if ('input' in body && Array.isArray(body.input)) {
    for (const item of body.input) {
      if (typeof item?.id === 'string') conversations.add(kept.conversationWith(item.id));
    }
  }
  return [...conversations].reduce((sum, conversation) => sum + (conversation?.bytes ?? 0), 0);
}

interface ReadItem {
  readonly item: ResponseItem;
  readonly bytes: number;
}

/** Reads each conversation once, however many of its items are referred to. */
class KeptReader {
  readonly #kept: KeptItems;
  readonly #read = new Map<KeptConversation, ReadonlyMap<string, ReadItem>>();
  #readBytes = 0;
  #bytes = 0;

  constructor(kept: KeptItems) {
    this.#kept = kept;
  }

  /** Of all items that were taken. */
  get bytes(): number {
    return this.#bytes;
  }

  behind(responseId: string): readonly ResponseItem[] {
    const conversation = this.#kept.conversationOf(responseId);
    if (conversation === undefined) {
      throw notFound(`There is no response '${responseId.slice(0, ECHOED_CHARS)}' here`, 'previous_response_id');
    }
    this.#take(conversation.bytes, 'previous_response_id');
    return conversation.items();
  }

  item(id: string, index: number): ResponseItem {
    const field = `input[${index}].id`;
    const conversation = this.#kept.conversationWith(id);
    const found = conversation && this.#itemsOf(conversation, field).get(id);
    if (found === undefined) throw notFound(`There is no item '${id.slice(0, ECHOED_CHARS)}' here`, field);
    this.#take(found.bytes, field);
    return found.item;
  }

  #take(bytes: number, field: string): void {
    this.#bytes += bytes;
    if (this.#bytes <= MAX_STORED_CONVERSATION_BYTES) return;
    throw fieldError(
      field,
      `makes a conversation of more than ${MAX_STORED_CONVERSATION_BYTES / 1024} KB out of what is kept. Begin a new one.`,
    );
  }

  #itemsOf(conversation: KeptConversation, field: string): ReadonlyMap<string, ReadItem> {
    const read = this.#read.get(conversation);
    if (read !== undefined) return read;
    this.#readBytes += conversation.bytes;
    if (this.#readBytes > MAX_REFERRED_BYTES) {
      throw fieldError(field, 'refers to items of too many long conversations. Send some of the items themselves.');
    }
    const items = new Map(
      conversation.items().map((item) => [item.id ?? '', { item, bytes: JSON.stringify(item).length }]),
    );
    this.#read.set(conversation, items);
    return items;
  }
}

function notFound(what: string, param: string): RequestRefusal {
  return new RequestRefusal(
    'response_not_found',
    `${what}: responses are kept for an hour, in memory, for whoever asked, unless 'store' is false. Send the conversation itself as input.`,
    param,
  );
}

/** So much of the context may be the prompt, when it has to be shortened: the answer needs room as well. */
const PROMPT_SHARE = 0.75;

/**
 * Without its oldest turns, by what the refusal says of both lengths; undefined when nothing more may go. Instructions
 * stay, and so does everything from the last message of a user on.
 */
export function shorterConversation(
  items: readonly ResponseItem[],
  refusal: unknown,
): readonly ResponseItem[] | undefined {
  if (!MeshError.is(refusal, 'context_length_exceeded')) return undefined;
  const { promptTokens, contextTokens } = refusal.details;
  const share =
    typeof promptTokens === 'number' && typeof contextTokens === 'number'
      ? Math.min(PROMPT_SHARE, (PROMPT_SHARE * contextTokens) / Math.max(1, promptTokens))
      : PROMPT_SHARE / 2;
  const lengths = items.map((item) => (isInstruction(item) ? 0 : JSON.stringify(item).length));
  const surplus = lengths.reduce((sum, length) => sum + length, 0) * (1 - share);
  let gone = 0;
  let cut = 0;
  for (const [index, item] of items.entries()) {
    // Only in front of a question: results stay with their calls, and answers with what they answer.
    if (item.type === 'message' && item.role === 'user' && gone > 0) {
      cut = index;
      if (gone >= surplus) break;
    }
    gone += lengths[index] ?? 0;
  }
  return cut === 0 ? undefined : items.filter((item, index) => index >= cut || isInstruction(item));
}

function isInstruction(item: ResponseItem): boolean {
  return item.type === 'message' && (item.role === 'system' || item.role === 'developer');
}
