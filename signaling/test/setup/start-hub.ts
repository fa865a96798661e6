/** A hub that listens on a free port for one test, and sockets to it; all of it is closed when the test ends. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Logger, type SignedRecord, systemClock, systemRandom } from '@tabmesh/shared';
import { onTestFinished } from 'vitest';
import { createHub, type HubOptions } from '../../src/hub/hub.ts';
import type { HubLimits } from '../../src/limits/limits.ts';
import { openSocket, type TestSocket } from './member.ts';

export async function startHub(
  options: Partial<Pick<HubOptions, 'clock' | 'onReport' | 'entryPeerId' | 'hosts'>> & {
    limits?: Partial<HubLimits>;
  } = {},
) {
  const warnings: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    error() {},
    warn: (_fields, text) => void warnings.push(text),
  };
  const server = createServer();
  const hub = createHub({
    server,
    entryPeerId: options.entryPeerId ?? null,
    hosts: options.hosts ?? [],
    iceServers: [{ urls: 'stun:stun.example' }],
    clock: options.clock ?? systemClock,
    random: systemRandom,
    logger,
    ...(options.onReport === undefined ? {} : { onReport: options.onReport }),
    limits: {
      joinsPerAddress: { perSecond: 1000, burst: 1000 },
      ...options.limits,
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(async () => {
    hub.close();
    await new Promise((resolve) => server.close(resolve));
  });
  const connect = (extraHeaders: Record<string, string> = {}) => {
    const socket = openSocket(url, { extraHeaders });
    onTestFinished(() => void socket.disconnect());
    return socket;
  };
  return { url, hub, connect, warnings };
}

/** Follows the deltas of one socket; each announcement can be awaited once, in order. */
export function collectRoster(socket: TestSocket) {
  const records: SignedRecord[] = [];
  const removed: string[] = [];
  let unread: SignedRecord[] = [];
  let wake = () => {};
  socket.on('roster', (delta) => {
    removed.push(...delta.removed);
    records.push(...delta.upserted);
    unread.push(...delta.upserted);
    wake();
  });
  const until = async <Value>(find: () => Value | undefined): Promise<Value> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    records,
    removed,
    upserted: (peerId: string) =>
      until(() => {
        const record = unread.find((candidate) => peerIdOf(candidate) === peerId);
        unread = unread.filter((candidate) => candidate !== record);
        return record;
      }),
    removal: (peerId: string) => until(() => (removed.includes(peerId) ? true : undefined)),
  };
}

export function peerIdOf(record: SignedRecord): string {
  return JSON.parse(record.body).peerId;
}
