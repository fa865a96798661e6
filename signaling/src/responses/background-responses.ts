/**
 * Responses that are written while nobody waits (`background`): asked for again as they grow, followed, cancelled. Once
 * written they are in the store like others. Bounded in number, for each client and in all.
 */
import type { Logger } from '@tabmesh/shared';
import { MeshError } from '@tabmesh/shared';
import { errorReply } from '../http/error-reply.ts';
import { MAX_BACKGROUND_RESPONSES, MAX_CLIENT_BACKGROUND_RESPONSES, MAX_EVENT_LOG_BYTES } from '../limits/limits.ts';
import { ResponseBuilder, type ResponseEvent, type ResponseHead, type ResponseObject } from './response-builder.ts';
import { listedItems, type ResponseItem } from './response-input.ts';
import type { StoredResponses } from './stored-responses.ts';

export interface BackgroundWork {
  readonly client: string;
  readonly head: ResponseHead;
  readonly items: readonly ResponseItem[];
  /** Whether its events are kept for whoever follows. */
  readonly isStreamed: boolean;
  /** Writes the response; the signal cancels it. */
  write(builder: ResponseBuilder, signal: AbortSignal): Promise<ResponseObject>;
  /** Takes the room that it needs until it is written, and returns what gives it back. */
  hold(): () => void;
}

export interface BackgroundResponse {
  /** Whether its events can be followed: they were asked for, and are not too long to be kept. */
  readonly isStreamed: boolean;
  /** As it is now. */
  response(): ResponseObject;
  /** Told of the events behind this number, those to come too; the last one is followed by undefined. Returns the end of it. */
  follow(after: number, listener: (json: string | undefined) => void): () => void;
  /** Resolves with what was written by then. Idempotent. */
  cancel(): ResponseObject;
}

export class BackgroundResponses {
  readonly #store: StoredResponses;
  readonly #logger: Logger;
  readonly #running = new Map<string, Running>();

  constructor(store: StoredResponses, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** @throws MeshError `mesh_busy`, and what `hold` throws */
  start(work: BackgroundWork): BackgroundResponse {
    const ofClient = [...this.#running.values()].filter(({ client }) => client === work.client).length;
    if (ofClient >= MAX_CLIENT_BACKGROUND_RESPONSES || this.#running.size >= MAX_BACKGROUND_RESPONSES) {
      throw new MeshError(
        'mesh_busy',
        `${ofClient} responses are being written for you in the background, and more have no room. Wait for one of them, or cancel one.`,
        { retryable: true, details: { retryAfterMs: 2_000 } },
      );
    }
    const release = work.hold();
    const running = new Running(work, (response, events) => {
      release();
      this.#running.delete(work.head.id);
      if (response !== undefined) this.#store.put(work.client, { response, items: work.items, events });
    });
    this.#running.set(work.head.id, running);
    void running.run(this.#logger);
    return running;
  }

  get(client: string, id: string): BackgroundResponse | undefined {
    const running = this.#running.get(id);
    return running?.client === client ? running : undefined;
  }

  /** The conversation in front of it. */
  itemsOf(client: string, id: string): readonly (ResponseItem & { readonly id: string })[] | undefined {
    const running = this.#running.get(id);
    return running?.client === client ? listedItems(id, running.items) : undefined;
  }

  /** Cancels it and keeps nothing. False: there was none. */
  delete(client: string, id: string): boolean {
    const running = this.get(client, id) as Running | undefined;
    running?.drop();
    return running !== undefined;
  }

  /** Idempotent. */
  close(): void {
    for (const running of this.#running.values()) running.drop();
  }
}

type OnWritten = (response: ResponseObject | undefined, events: readonly string[] | undefined) => void;

class Running implements BackgroundResponse {
  readonly client: string;
  readonly items: readonly ResponseItem[];
  readonly #work: BackgroundWork;
  readonly #onWritten: OnWritten;
  readonly #builder: ResponseBuilder;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(json: string | undefined) => void>();
  /** Undefined: too long to be kept. */
  #events: string[] | undefined = [];
  #eventBytes = 0;
  #last: ResponseObject | undefined;

  constructor(work: BackgroundWork, onWritten: OnWritten) {
    this.client = work.client;
    this.items = work.items;
    this.#work = work;
    this.#onWritten = onWritten;
    this.#builder = new ResponseBuilder(work.head, work.isStreamed ? (event) => this.#handleEvent(event) : undefined);
    this.#builder.queue();
  }

  get isStreamed(): boolean {
    return this.#work.isStreamed && this.#events !== undefined;
  }

  async run(logger: Logger): Promise<void> {
    try {
      const response = await this.#work.write(this.#builder, this.#abort.signal);
      this.#finish(() => response);
    } catch (error) {
      const { code, message } = errorReply(error).body.error;
      if (this.#last === undefined) logger.warn({ code }, 'An answer in the background failed.');
      this.#finish(() => this.#builder.fail({ code, message }));
    }
  }

  response(): ResponseObject {
    return this.#last ?? this.#builder.response();
  }

  follow(after: number, listener: (json: string | undefined) => void): () => void {
    for (const json of (this.#events ?? []).slice(after + 1)) listener(json);
    if (this.#last !== undefined) listener(undefined);
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  cancel(): ResponseObject {
    const response = this.#finish(() => this.#builder.cancel());
    this.#abort.abort();
    return response;
  }

  drop(): void {
    this.#last ??= this.#builder.response('cancelled');
    this.#onWritten(undefined, undefined);
    this.#tellEnd();
    this.#abort.abort();
  }

  /** By whoever comes first: the answer, its failure, a cancel. */
  #finish(end: () => ResponseObject): ResponseObject {
    if (this.#last !== undefined) return this.#last;
    const response = end();
    this.#last = response;
    this.#onWritten(response, this.isStreamed ? this.#events : undefined);
    this.#tellEnd();
    return response;
  }

  #tellEnd(): void {
    for (const listener of this.#listeners) listener(undefined);
    this.#listeners.clear();
  }

  #handleEvent(event: ResponseEvent): void {
    if (this.#last !== undefined) return;
    const json = JSON.stringify(event);
    this.#eventBytes += json.length;
    // The last event closes every stream, however long it was.
    if (this.#eventBytes > MAX_EVENT_LOG_BYTES) this.#events = undefined;
    this.#events?.push(json);
    for (const listener of this.#listeners) listener(json);
  }
}
