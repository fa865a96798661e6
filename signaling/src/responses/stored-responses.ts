/**
 * Responses that may be asked for again, in memory and for an hour. Kept as text: a text has the size that is counted,
 * whatever a client nests in it. Each has the whole conversation that led to it, so none needs another. Clients are apart:
 * none reads what another has, and whoever fills the store loses its own first.
 */
import type { Clock } from '@tabmesh/shared';
import {
  MAX_CLIENT_STORED_BYTES,
  MAX_CLIENT_STORED_RESPONSES,
  MAX_STORED_BYTES,
  MAX_STORED_RESPONSES,
  STORED_ITEM_COST_BYTES,
  STORED_RESPONSE_COST_BYTES,
  STORED_RESPONSE_MS,
} from '../limits/limits.ts';
import type { KeptConversation, KeptItems } from './conversation.ts';
import type { ResponseObject } from './response-builder.ts';
import { listedItems, type ResponseItem } from './response-input.ts';

export interface NewResponse {
  readonly response: ResponseObject;
  /** The conversation in front of it. */
  readonly items: readonly ResponseItem[];
  /** Of one that was streamed in the background: its events, each as JSON. */
  readonly events?: readonly string[] | undefined;
}

export interface StoredResponse {
  readonly id: string;
  /** The response as JSON. */
  readonly json: Buffer;
  readonly isFromBackground: boolean;
  /** Of it and the conversation in front of it, and what keeping them costs. */
  readonly bytes: number;
  /** With the response at its end. */
  readonly conversation: KeptConversation;
  items(): readonly (ResponseItem & { readonly id: string })[];
  events(): readonly string[] | undefined;
}

export interface StoreLimits {
  readonly lifeMs: number;
  readonly clientResponses: number;
  readonly clientBytes: number;
  readonly responses: number;
  readonly bytes: number;
}

const LIMITS: StoreLimits = {
  lifeMs: STORED_RESPONSE_MS,
  clientResponses: MAX_CLIENT_STORED_RESPONSES,
  clientBytes: MAX_CLIENT_STORED_BYTES,
  responses: MAX_STORED_RESPONSES,
  bytes: MAX_STORED_BYTES,
};

interface Entry extends StoredResponse {
  readonly owner: Owner;
  readonly dueMs: number;
  readonly itemIds: readonly string[];
}

interface Owner {
  readonly client: string;
  /** The oldest first. */
  readonly entries: Map<string, Entry>;
  /** The newest response that has the item. */
  readonly items: Map<string, Entry>;
  bytes: number;
}

export class StoredResponses {
  readonly #clock: Clock;
  readonly #limits: StoreLimits;
  readonly #owners = new Map<string, Owner>();
  /** All, the oldest first: they live equally long. */
  readonly #entries = new Set<Entry>();
  #bytes = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, limits: Partial<StoreLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ...LIMITS, ...limits };
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Nothing is kept of what is larger than all that a client may keep. */
  put(client: string, { response, items, events }: NewResponse): void {
    const listed = listedItems(response.id, items);
    const itemIds = [...listed.map(({ id }) => id), ...response.output.map(idOf)];
    const json = Buffer.from(JSON.stringify(response));
    const itemsJson = Buffer.from(JSON.stringify(listed));
    const eventsJson = events === undefined ? undefined : Buffer.from(JSON.stringify(events));
    const bytes =
      json.length +
      itemsJson.length +
      (eventsJson?.length ?? 0) +
      STORED_RESPONSE_COST_BYTES +
      itemIds.length * STORED_ITEM_COST_BYTES;
    if (bytes > this.#limits.clientBytes) return;
    const owner: Owner = this.#owners.get(client) ?? { client, entries: new Map(), items: new Map(), bytes: 0 };
    this.#owners.set(client, owner);
    this.#add({
      id: response.id,
      owner,
      dueMs: this.#clock.monotonicMs() + this.#limits.lifeMs,
      bytes,
      json,
      itemIds,
      isFromBackground: 'background' in response && response.background === true,
      items: () => JSON.parse(itemsJson.toString()),
      conversation: {
        bytes: json.length + itemsJson.length,
        // A response's output has the form of what a client sends along of it.
        items: () => [...JSON.parse(itemsJson.toString()), ...JSON.parse(json.toString()).output],
      },
      events: () => (eventsJson === undefined ? undefined : JSON.parse(eventsJson.toString())),
    });
    this.#makeRoom(owner);
  }

  get(client: string, id: string): StoredResponse | undefined {
    this.#forgetOld();
    return this.#owners.get(client)?.entries.get(id);
  }

  /** False: there was none. */
  delete(client: string, id: string): boolean {
    this.#forgetOld();
    const entry = this.#owners.get(client)?.entries.get(id);
    if (entry !== undefined) this.#remove(entry);
    return entry !== undefined;
  }

  /** What conversations of this client may refer to. */
  keptBy(client: string): KeptItems {
    return {
      conversationOf: (id) => this.get(client, id)?.conversation,
      conversationWith: (id) => {
        this.#forgetOld();
        return this.#owners.get(client)?.items.get(id)?.conversation;
      },
    };
  }

  /** Idempotent. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#entries.clear();
    this.#owners.clear();
    this.#bytes = 0;
  }

  #add(entry: Entry): void {
    const { owner } = entry;
    this.#entries.add(entry);
    owner.entries.set(entry.id, entry);
    for (const id of entry.itemIds) owner.items.set(id, entry);
    owner.bytes += entry.bytes;
    this.#bytes += entry.bytes;
    this.#setTimer();
  }

  #remove(entry: Entry): void {
    const { owner } = entry;
    this.#entries.delete(entry);
    owner.entries.delete(entry.id);
    for (const id of entry.itemIds) if (owner.items.get(id) === entry) owner.items.delete(id);
    owner.bytes -= entry.bytes;
    this.#bytes -= entry.bytes;
    if (owner.entries.size === 0) this.#owners.delete(owner.client);
  }

  #makeRoom(owner: Owner): void {
    const { clientResponses, clientBytes, responses, bytes } = this.#limits;
    this.#forgetOld();
    while (owner.entries.size > clientResponses || owner.bytes > clientBytes) this.#removeOldestOf(owner);
    while (this.#bytes > bytes) this.#removeOldestOf(this.#ownerWithMost(({ bytes: held }) => held));
    while (this.#entries.size > responses) this.#removeOldestOf(this.#ownerWithMost(({ entries }) => entries.size));
  }

  #removeOldestOf(owner: Owner): void {
    const [oldest] = owner.entries.values();
    if (oldest !== undefined) this.#remove(oldest);
  }

  #ownerWithMost(measure: (owner: Owner) => number): Owner {
    const [first, ...others] = this.#owners.values();
    if (first === undefined) throw new Error('A store that is too full has an owner.');
    return others.reduce((most, owner) => (measure(owner) > measure(most) ? owner : most), first);
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const entry of this.#entries) {
      if (entry.dueMs > nowMs) break;
      this.#remove(entry);
    }
  }

  /** So that what is over leaves the memory also where nobody asks any more. */
  #setTimer(): void {
    const [oldest] = this.#entries;
    if (oldest === undefined || this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#clock.after(Math.max(0, oldest.dueMs - this.#clock.monotonicMs()), () => {
      this.#cancelTimer = undefined;
      this.#forgetOld();
      this.#setTimer();
    });
  }
}

function idOf(item: object): string {
  return 'id' in item ? String(item.id) : '';
}
