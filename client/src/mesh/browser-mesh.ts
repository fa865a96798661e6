/** This tab as a member of the mesh: its key, its way to the entry, its links. */
import {
  createIdentity,
  createMesh,
  createSimplePeerTransport,
  createSocketIoSignaling,
  type Identity,
  type Logger,
  type Mesh,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { version } from '../../package.json';
import { knownMemoryBytes } from '../engines/kit/device-report.ts';
import { RELOAD_PATIENCE_MS } from '../limits.ts';
import { claimIdentity, type KeyStore, type SlotMemory } from './key-pool.ts';
import { createLifecycleClock } from './lifecycle-clock.ts';
import type { MeshDatabase } from './mesh-database.ts';

export async function createBrowserMesh(database: MeshDatabase | undefined, entryUrl: string): Promise<Mesh> {
  return createMesh({
    identity: await ownIdentity(database),
    kind: 'tab',
    version,
    signaling: [createSocketIoSignaling({ url: entryUrl })],
    transports: [createSimplePeerTransport()],
    clock: createLifecycleClock({
      clock: systemClock,
      document,
      openWorker: () =>
        new Worker(new URL('./lifecycle-clock-worker.ts', import.meta.url), { type: 'module', name: 'timers' }),
    }),
    random: systemRandom,
    logger: consoleLogger,
    memoryBytes: knownMemoryBytes(),
  });
}

/** Without storage, or on a page that is not secure (locks need that), the key lasts as long as the page. */
async function ownIdentity(database: MeshDatabase | undefined): Promise<Identity> {
  if (database === undefined || !('locks' in navigator)) return createIdentity(systemRandom);
  return claimIdentity({
    keys: keysIn(database),
    locks: navigator.locks,
    memory: slotMemory,
    random: systemRandom,
    reloadPatience: () => AbortSignal.timeout(RELOAD_PATIENCE_MS),
  });
}

function keysIn(database: MeshDatabase): KeyStore {
  return {
    read: (slot) => database.get('keys', slot),
    async write(slot, secretKey) {
      await database.put('keys', secretKey, slot);
    },
  };
}

/** The session storage of a tab outlives a reload and nothing else. */
const slotMemory: SlotMemory = {
  get() {
    const slot = Number.parseInt(sessionStorage.getItem('tabmesh.key-slot') ?? '', 10);
    return Number.isNaN(slot) ? undefined : slot;
  },
  set(slot) {
    sessionStorage.setItem('tabmesh.key-slot', String(slot));
  },
};

/** What needs nobody's attention stays out of the console. */
export const consoleLogger: Logger = {
  debug() {},
  info() {},
  warn: (fields, text) => console.warn(text, fields),
  error: (fields, text) => console.error(text, fields),
};
