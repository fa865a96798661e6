/**
 * The keys of this browser's tabs. Each tab of one browser needs a key of its own, and a reloaded tab should stay the
 * peer it was: so there is a row of numbered keys, and a tab holds the lock of the one it uses for as long as it lives.
 */
import { createIdentity, type Identity, identityFromSecretKey, MeshError, type Random } from '@tabmesh/shared';
import { MAX_KEYED_TABS } from '../limits.ts';

export interface KeyStore {
  read(slot: number): Promise<Uint8Array | undefined>;
  write(slot: number, secretKey: Uint8Array): Promise<void>;
}

/** Remembers the slot over a reload of the same tab. */
export interface SlotMemory {
  get(): number | undefined;
  set(slot: number): void;
}

/** The part of `navigator.locks` that is used here. */
export interface LockManagerPort {
  request(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    callback: (lock: object | null) => Promise<void> | undefined,
  ): Promise<unknown>;
}

export interface KeyPoolOptions {
  readonly keys: KeyStore;
  readonly locks: LockManagerPort;
  readonly memory: SlotMemory;
  readonly random: Random;
  /** Ends the wait for the slot that this tab had before its reload: the old page lets go of it only when it is gone. */
  reloadPatience(): AbortSignal;
}

/** The lock is held until the page goes away. */
export async function claimIdentity(options: KeyPoolOptions): Promise<Identity> {
  const slot = await claimSlot(options);
  options.memory.set(slot);
  const known = await options.keys.read(slot);
  if (known !== undefined) return identityFromSecretKey(known);
  const identity = createIdentity(options.random);
  await options.keys.write(slot, identity.secretKey);
  return identity;
}

async function claimSlot({ locks, memory, reloadPatience }: KeyPoolOptions): Promise<number> {
  const previous = memory.get();
  if (previous !== undefined && (await holdLock(locks, previous, { signal: reloadPatience() }))) return previous;
  for (let slot = 0; slot < MAX_KEYED_TABS; slot += 1) {
    if (await holdLock(locks, slot, { ifAvailable: true })) return slot;
  }
  throw new MeshError('unsupported', `${MAX_KEYED_TABS} tabs of this browser are open already. Close one and reload.`);
}

/** Resolves once the lock is held (true) or known to be somebody else's (false). */
function holdLock(
  locks: LockManagerPort,
  slot: number,
  options: { ifAvailable: true } | { signal: AbortSignal },
): Promise<boolean> {
  return new Promise((resolve) => {
    locks
      .request(`tabmesh-key-${slot}`, options, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<never>(() => {});
      })
      // Patience ran out: a duplicated tab, whose twin holds the slot.
      .catch(() => resolve(false));
  });
}
