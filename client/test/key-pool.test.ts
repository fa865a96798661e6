import { createSeededRandom } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import {
  claimIdentity,
  type KeyPoolOptions,
  type KeyStore,
  type LockManagerPort,
  type SlotMemory,
} from '../src/mesh/key-pool.ts';

/** Web Locks of one browser, as far as the pool uses them. `leave` releases everything that a tab held. */
class FakeLocks {
  readonly #held = new Map<string, { tab: string; waiting: (() => void)[] }>();

  of(tab: string): LockManagerPort {
    return {
      request: async (name, { ifAvailable, signal }, callback) => {
        while (this.#held.has(name)) {
          if (ifAvailable) return callback(null);
          await new Promise<void>((resolve, reject) => {
            this.#held.get(name)?.waiting.push(resolve);
            signal?.addEventListener('abort', () => reject(signal.reason));
          });
        }
        this.#held.set(name, { tab, waiting: [] });
        return callback({ name });
      },
    };
  }

  leave(tab: string): void {
    for (const [name, lock] of this.#held) {
      if (lock.tab !== tab) continue;
      this.#held.delete(name);
      for (const wake of lock.waiting) wake();
    }
  }
}

function createBrowser() {
  const locks = new FakeLocks();
  const keys = new Map<number, Uint8Array>();
  const store: KeyStore = {
    read: async (slot) => keys.get(slot),
    write: async (slot, key) => void keys.set(slot, key),
  };
  const random = createSeededRandom(1);
  const patience = new AbortController();
  const open = (tab: string, memory: SlotMemory): KeyPoolOptions => ({
    keys: store,
    locks: locks.of(tab),
    memory,
    random,
    reloadPatience: () => patience.signal,
  });
  return { locks, patience, open };
}

function sessionStorageOf(slot?: number): SlotMemory {
  let remembered = slot;
  return {
    get: () => remembered,
    set: (next) => {
      remembered = next;
    },
  };
}

describe('the keys of a browser', () => {
  it('UI11: two tabs are two peers', async () => {
    const { open } = createBrowser();
    const first = await claimIdentity(open('first', sessionStorageOf()));
    const second = await claimIdentity(open('second', sessionStorageOf()));
    expect(second.peerId).not.toBe(first.peerId);
  });

  it('UI12: a reloaded tab is the peer it was, even while its old page is still leaving', async () => {
    const { locks, open } = createBrowser();
    await claimIdentity(open('first', sessionStorageOf()));
    const memory = sessionStorageOf();
    const before = await claimIdentity(open('second', memory));
    locks.leave('first');
    const reloading = claimIdentity(open('second again', memory));
    locks.leave('second');
    expect((await reloading).peerId).toBe(before.peerId);
  });

  it('UI12: a duplicated tab, whose twin keeps the key, becomes another peer', async () => {
    const { patience, open } = createBrowser();
    const memory = sessionStorageOf();
    const original = await claimIdentity(open('original', memory));
    const duplicating = claimIdentity(open('duplicate', sessionStorageOf(memory.get())));
    patience.abort();
    expect((await duplicating).peerId).not.toBe(original.peerId);
  });

  it('UI13: the key of a closed tab is used again, so that keys do not pile up', async () => {
    const { locks, open } = createBrowser();
    const first = await claimIdentity(open('first', sessionStorageOf()));
    locks.leave('first');
    expect((await claimIdentity(open('later', sessionStorageOf()))).peerId).toBe(first.peerId);
  });
});
