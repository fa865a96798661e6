/**
 * The whole conversation that a response answers: what was kept of it (`previous_response_id`, `item_reference`) in front of
 * and between what was sent. Where it is longer than the model's context and the client allows it, its oldest turns go.
 */
import { MeshError } from '@tabmesh/shared';
import { RequestRefusal } from '../http/error-reply.ts';
import { fieldError } from '../http/request-body.ts';
import { ECHOED_CHARS, MAX_MESSAGES, MAX_STORED_CONVERSATION_BYTES } from '../limits/limits.ts';
import type { ItemReference, ResponseItem } from './response-input.ts';

/** Of one client: nobody reads the conversations of others. */
export interface Conversations {
  /** @throws RequestRefusal `response_not_found`; MeshError `invalid_request` for one that has grown too long */
  whole(input: readonly (ResponseItem | ItemReference)[], previousId: string | undefined): readonly ResponseItem[];
}

/** What a client has here. */
export interface KeptItems {
  /** The conversation up to the end of a response. */
  conversationOf(responseId: string): { readonly items: readonly ResponseItem[]; readonly bytes: number } | undefined;
  itemOf(itemId: string): ResponseItem | undefined;
}

/** Nobody has anything here. */
export const NOTHING_KEPT: KeptItems = { conversationOf: () => undefined, itemOf: () => undefined };

export function conversationsOf(kept: KeptItems): Conversations {
  return {
    whole(input, previousId) {
      const before = previousId === undefined ? [] : previousItems(kept, previousId);
      const items = [...before, ...input.map((item, index) => resolved(kept, item, index))];
      if (items.length > MAX_MESSAGES) {
        throw fieldError('input', `makes a conversation of more than ${MAX_MESSAGES} items. Begin a new one.`);
      }
      return items;
    },
  };
}

function previousItems(kept: KeptItems, id: string): readonly ResponseItem[] {
  const previous = kept.conversationOf(id);
  if (previous === undefined) {
    throw notFound(`There is no response '${id.slice(0, ECHOED_CHARS)}' here`, 'previous_response_id');
  }
  if (previous.bytes <= MAX_STORED_CONVERSATION_BYTES) return previous.items;
  throw fieldError(
    'previous_response_id',
    `names a conversation of more than ${MAX_STORED_CONVERSATION_BYTES / 1024} KB. Begin a new one.`,
  );
}

function resolved(kept: KeptItems, item: ResponseItem | ItemReference, index: number): ResponseItem {
  if (item.type !== 'item_reference') return item;
  const found = kept.itemOf(item.id);
  if (found !== undefined) return found;
  throw notFound(`There is no item '${item.id.slice(0, ECHOED_CHARS)}' here`, `input[${index}].id`);
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
