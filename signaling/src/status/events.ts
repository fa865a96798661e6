/**
 * `GET /api/events`: what `/api/status` shows as server-sent events, for pages that are no member of the mesh. First a
 * `snapshot`, then a `delta` whenever something changed. What changed is worked out once for all listeners; one that does
 * not keep up is left alone until it has read what it has, and then gets a new snapshot instead of what it missed.
 */
import { type Clock, type Logger, type Mesh, MeshError } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import { type EventStream, openEventStream } from '../http/event-stream.ts';
import {
  MAX_LISTENERS,
  MAX_LISTENERS_PER_NETWORK,
  STATUS_DELTA_INTERVAL_MS,
  STATUS_HEARTBEAT_MS,
} from '../limits/limits.ts';
import { networkOf } from '../limits/network.ts';
import { type StatusParts, toModelStatus, toPeerStatus, toStatus } from './status.ts';

export interface EventsParts extends StatusParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

export function registerEvents(app: FastifyInstance, parts: EventsParts): void {
  let feed: StatusFeed | undefined;

  // A HEAD request would never end.
  app.get('/api/events', { exposeHeadRoute: false }, async (request, reply) => {
    const mesh = await parts.mesh;
    feed ??= new StatusFeed(mesh, parts);
    const network = networkOf(request.ip);
    if (feed.listenersFrom(network) >= MAX_LISTENERS_PER_NETWORK) throw tooManyListeners();
    if (feed.listenerCount >= MAX_LISTENERS) throw MeshError.meshBusy(STATUS_HEARTBEAT_MS);
    reply.raw.on('close', feed.add(openEventStream(reply, parts.clock), network));
  });

  app.addHook('preClose', async () => feed?.close());
}

function tooManyListeners(): MeshError {
  return new MeshError(
    'mesh_busy',
    `Your network listens ${MAX_LISTENERS_PER_NETWORK} times already. Close a listener, or ask /api/status now and then.`,
    { retryable: true, details: { retryAfterMs: STATUS_HEARTBEAT_MS } },
  );
}

interface Listener {
  readonly stream: EventStream;
  readonly network: string;
  state: 'current' | 'behind';
}

/** Listens to the mesh while somebody listens to it. */
class StatusFeed {
  readonly #mesh: Mesh;
  readonly #parts: EventsParts;
  readonly #listeners = new Set<Listener>();
  /** What the listeners know, by id, as JSON. */
  #peers = new Map<string, string>();
  #models = new Map<string, string>();
  #unsubscribe: (() => void) | undefined;
  #cancelDelta: (() => void) | undefined;
  #cancelHeartbeat: (() => void) | undefined;

  constructor(mesh: Mesh, parts: EventsParts) {
    this.#mesh = mesh;
    this.#parts = parts;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  listenersFrom(network: string): number {
    return [...this.#listeners].filter((listener) => listener.network === network).length;
  }

  /** Returns the removal. */
  add(stream: EventStream, network: string): () => void {
    const listener: Listener = { stream, network, state: 'current' };
    if (this.#listeners.size === 0) this.#start();
    this.#listeners.add(listener);
    this.#sendSnapshot(listener);
    return () => {
      this.#listeners.delete(listener);
      stream.end();
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  close(): void {
    for (const { stream } of this.#listeners) stream.end();
    this.#listeners.clear();
    this.#stop();
  }

  #start(): void {
    const mesh = this.#mesh;
    this.#peers = textById(mesh.peers(), ({ peerId }) => peerId, toPeerStatus);
    this.#models = textById(mesh.models(), ({ id }) => id, toModelStatus);
    this.#unsubscribe = mesh.onChange(() => this.#schedule());
    this.#beat();
  }

  #stop(): void {
    this.#unsubscribe?.();
    this.#cancelDelta?.();
    this.#cancelDelta = undefined;
    this.#cancelHeartbeat?.();
  }

  #schedule(): void {
    this.#cancelDelta ??= this.#parts.clock.after(STATUS_DELTA_INTERVAL_MS, () => {
      this.#cancelDelta = undefined;
      this.#sendDelta();
    });
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#parts.clock.after(STATUS_HEARTBEAT_MS, () => {
      for (const { stream, state } of this.#listeners) if (state === 'current') stream.comment('still here');
      this.#beat();
    });
  }

  #sendDelta(): void {
    const mesh = this.#mesh;
    const peers = textById(mesh.peers(), ({ peerId }) => peerId, toPeerStatus);
    const models = textById(mesh.models(), ({ id }) => id, toModelStatus);
    const peerChange = changeOf(this.#peers, peers);
    const modelChange = changeOf(this.#models, models);
    this.#peers = peers;
    this.#models = models;
    const changes = [peerChange, modelChange].some(({ upserted, removed }) => upserted.length + removed.length > 0);
    if (!changes) return;
    const text =
      `{"upserted":[${peerChange.upserted.join()}],"removed":${JSON.stringify(peerChange.removed)},` +
      `"models":[${modelChange.upserted.join()}],"removedModels":${JSON.stringify(modelChange.removed)},` +
      `"defaultModel":${JSON.stringify(mesh.defaultModel() ?? null)}}`;
    for (const listener of this.#listeners) {
      if (this.#keepsUp(listener)) listener.stream.send(text, 'delta');
    }
  }

  #sendSnapshot(listener: Listener): void {
    listener.stream.send(JSON.stringify(toStatus(this.#mesh, this.#parts)), 'snapshot');
  }

  #keepsUp(listener: Listener): boolean {
    if (listener.state === 'behind') return false;
    const backlog = listener.stream.backlog();
    if (backlog === undefined) return true;
    listener.state = 'behind';
    this.#parts.logger.debug({}, 'A listener of /api/events reads slower than the mesh changes.');
    backlog.then(() => {
      if (!this.#listeners.has(listener)) return;
      listener.state = 'current';
      this.#sendSnapshot(listener);
    });
    return false;
  }
}

function textById<Item>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  toBody: (item: Item) => object,
): Map<string, string> {
  return new Map(items.map((item) => [idOf(item), JSON.stringify(toBody(item))]));
}

function changeOf(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>) {
  return {
    upserted: [...now].filter(([id, text]) => before.get(id) !== text).map(([, text]) => text),
    removed: [...before.keys()].filter((id) => !now.has(id)),
  };
}
