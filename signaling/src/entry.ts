/**
 * An entry, running: web app, API and signaling on one port, and a mesh member without an engine of its own, so that an
 * API call travels over WebRTC to a peer like everyone's.
 */
import { type AddressInfo, isIP } from 'node:net';
import {
  createMesh,
  createSocketIoSignaling,
  type IceServer,
  type Identity,
  type Logger,
  type Mesh,
  MeshError,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createNodeTransport, signInNode, verifySignatureInNode } from '@tabmesh/shared/node';
import type { FastifyInstance } from 'fastify';
import { type AccessSettings, accessSettings } from './access/access-settings.ts';
import { createCallers } from './access/callers.ts';
import { guardServer } from './access/guard-hosts.ts';
import { buildServer } from './build-server.ts';
import { createFallback } from './fallback/fallback.ts';
import type { BudgetStore } from './fallback/fallback-budget.ts';
import type { FallbackSettings } from './fallback/fallback-settings.ts';
import { createHub } from './hub/hub.ts';
import { createLedger } from './ledger/ledger.ts';
import { type LedgerPlace, openLedgerStorage } from './ledger/open-storage.ts';
import type { HubLimits } from './limits/limits.ts';
import type { WebRoots } from './web/web-app.ts';

export interface EntryOptions extends WebRoots, LedgerPlace {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly identity: Identity;
  readonly version: string;
  readonly logger: Logger;
  /** Handed to every member for its WebRTC links. Default none: direct links only. */
  readonly iceServers?: readonly IceServer[];
  readonly hubLimits?: Partial<HubLimits>;
  /** A provider behind the gate of `/api/chat`. Default none: no prompt ever leaves the mesh. */
  readonly fallback?: { readonly settings: FallbackSettings; readonly store: BudgetStore } | undefined;
  /** Who may call, and by which names. Default: everyone by an address or this machine's name, except pages of other sites. */
  readonly access?: AccessSettings | undefined;
}

export interface Entry {
  /** How this machine reaches it. */
  readonly url: string;
  readonly mesh: Mesh;
  /** Leaves the mesh, disconnects members, frees the port. Idempotent. */
  close(): Promise<void>;
}

/** @throws MeshError `port_in_use`; `invalid_request` for a `redisUrl` that is none. */
export async function startEntry(options: EntryOptions): Promise<Entry> {
  const { identity, version, logger, iceServers = [] } = options;
  const clock = systemClock;
  const random = systemRandom;
  let provideMesh: (mesh: Mesh) => void = () => {};
  const meshReady = new Promise<Mesh>((resolve) => {
    provideMesh = resolve;
  });

  const fallback = options.fallback && createFallback({ ...options.fallback, clock, random, logger });
  const storage = await openLedgerStorage(options, logger);
  const ledger = createLedger({ storage, askedBy: identity.peerId, clock, random, logger });
  const { access = accessSettings({}) } = options;
  // A name to listen on is one to be called by.
  const callers = createCallers({ ...access, hosts: [...access.hosts, options.host.toLowerCase()] });
  const app = buildServer({ ...options, mesh: meshReady, clock, fallback, ledger, callers });
  const hub = createHub({
    server: app.server,
    callers,
    entryPeerId: identity.peerId,
    hosts: [...access.hosts, ...namesIn(options.host)],
    iceServers,
    clock,
    random,
    logger,
    limits: options.hubLimits ?? {},
    onReport: (askedBy, report) => ledger.count(report, askedBy),
  });
  guardServer(app.server, callers, logger);
  const url = await listen(app, options).catch(async (error: unknown) => {
    hub.close();
    await app.close();
    await ledger.close();
    throw error;
  });
  const mesh = createMesh({
    identity: signInNode(identity),
    kind: 'entry',
    version,
    signaling: [createSocketIoSignaling({ url, logger })],
    transports: [createNodeTransport()],
    verify: verifySignatureInNode,
    clock,
    random,
    logger,
  });
  provideMesh(mesh);

  let closing: Promise<void> | undefined;
  const close = async () => {
    await mesh.close();
    hub.close();
    await app.close();
    await ledger.close();
    await fallback?.close();
  };
  return {
    url,
    mesh,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

async function listen(app: FastifyInstance, { host, port }: EntryOptions): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') throw error;
    throw new MeshError(
      'port_in_use',
      `Port ${port} is taken. Stop the other program or choose another port, for example PORT=${port + 1} npm start.`,
      { cause: error, details: { port } },
    );
  }
  const { port: boundPort } = app.server.address() as AddressInfo;
  return `http://${reachable(host)}:${boundPort}`;
}

/** A name to listen on is one to be called by; addresses the sockets show. */
function namesIn(host: string): readonly string[] {
  return isIP(host) === 0 && host !== 'localhost' ? [host.toLowerCase()] : [];
}

/** A wildcard address is bound to, but not called. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
