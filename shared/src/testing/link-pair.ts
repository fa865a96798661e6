/** Two links that end in each other, without signaling, a roster or anything else of a mesh. */
import { type JobMessage, Link, type LinkOptions } from '../connection/link.ts';
import { createIdentity } from '../identity/identity.ts';
import type { Clock } from '../ports/clock.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Transport } from '../ports/transport.ts';
import type { PeerId } from '../protocol/ids.ts';

export interface LinkEndOptions {
  readonly transport: Transport;
  readonly initiator: boolean;
  readonly self: PeerId;
  readonly remote: PeerId;
  readonly clock: Clock;
  /** Hands a signal to the other end. */
  signal(payload: string): void;
  readonly onStream?: LinkOptions['onStream'];
  readonly onMessage?: LinkOptions['onMessage'] | undefined;
}

export interface TestLink {
  readonly link: Link;
  /** Rejects when the link closes instead. */
  readonly opened: Promise<Link>;
  readonly heard: readonly JobMessage[];
  /** Why it closed; undefined while it has not, null after a goodbye. */
  closedBy(): Error | null | undefined;
}

export function openTestLink(options: LinkEndOptions): TestLink {
  const heard: JobMessage[] = [];
  let closedBy: Error | null | undefined;
  let settle: { resolve(link: Link): void; reject(error: Error): void } | undefined;
  const opened = new Promise<Link>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Not everybody asks.
  opened.catch(() => {});
  const link = new Link({
    ...options,
    iceServers: [],
    logger: silentLogger,
    onSignal: (payload) => options.signal(payload),
    onOpen: (open) => settle?.resolve(open),
    onMessage(from, message) {
      heard.push(message);
      options.onMessage?.(from, message);
    },
    onClose(_link, error) {
      closedBy = error ?? null;
      settle?.reject(error ?? new Error('The other end said goodbye.'));
    },
  });
  return { link, opened, heard, closedBy: () => closedBy };
}

export interface LinkPairOptions {
  /** Of the end that dials, and of the other. */
  readonly transports: readonly [Transport, Transport];
  readonly clock: Clock;
  readonly random: Random;
  readonly onStream?: LinkOptions['onStream'];
  readonly onMessage?: LinkOptions['onMessage'] | undefined;
}

/** The handlers are those of the far end, which did not dial. */
export function openLinkPair({ transports, clock, random, ...handlers }: LinkPairOptions): {
  readonly near: TestLink;
  readonly far: TestLink;
} {
  const [self, remote] = [createIdentity(random).peerId, createIdentity(random).peerId];
  // Either end may signal before the other exists.
  const early: string[] = [];
  let far: TestLink | undefined;
  const near = openTestLink({
    transport: transports[0],
    initiator: true,
    self,
    remote,
    clock,
    signal: (payload) => (far === undefined ? early.push(payload) : far.link.signal(payload)),
  });
  far = openTestLink({
    transport: transports[1],
    initiator: false,
    self: remote,
    remote: self,
    clock,
    signal: (payload) => near.link.signal(payload),
    ...handlers,
  });
  for (const payload of early) far.link.signal(payload);
  return { near, far };
}
