/**
 * How many prompts per network may go to the provider, whom the operator pays: so many in any hour, also across a
 * restart. A prompt counts when it is sent, whether or not the provider answers.
 */
import type { Clock, Logger } from '@tabmesh/shared';
import { FALLBACK_BUDGET_SPAN_MS, FALLBACK_BUDGETS_OF_IPV6, MAX_FALLBACK_NETWORKS } from '../limits/limits.ts';
import { networkOfBits } from '../limits/network.ts';

/** Per network the moments (ms since the epoch) at which it spent. */
export type BudgetRecord = Readonly<Record<string, readonly number[]>>;

export interface BudgetStore {
  /** Empty when nothing was saved yet, or when it can't be read. */
  load(): Promise<BudgetRecord>;
  save(record: BudgetRecord): Promise<void>;
}

export interface BudgetOptions {
  readonly perHour: number;
  readonly store: BudgetStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface FallbackBudget {
  /** False: the address's network, or a larger one around it, spent its budget. Resolves once the spending is kept. */
  spend(address: string): Promise<boolean>;
  /** Resolves when everything is kept. */
  close(): Promise<void>;
}

export function createFallbackBudget({ perHour, store, clock, logger }: BudgetOptions): FallbackBudget {
  const spent = new Map<string, number[]>();
  let saved = Promise.resolve();
  let saveAsked = false;
  const loaded = store.load().then((record) => {
    const nowMs = clock.wallMs();
    // A clock that was set back must not lock an address out for longer than an hour.
    for (const [key, moments] of Object.entries(record)) {
      const times = moments.map((moment) => Math.min(moment, nowMs));
      spent.set(key, times);
    }
    dropOld(nowMs);
  });

  function dropOld(nowMs: number): void {
    for (const [key, moments] of spent) {
      const recent = moments.filter((moment) => nowMs - moment < FALLBACK_BUDGET_SPAN_MS);
      if (recent.length === 0) spent.delete(key);
      else spent.set(key, recent);
    }
  }

  /** Those who spend while a save runs share the next one. */
  function save(): Promise<void> {
    if (saveAsked) return saved;
    saveAsked = true;
    saved = saved.then(async () => {
      saveAsked = false;
      try {
        await store.save(Object.fromEntries(spent));
      } catch (error) {
        logger.warn({ error }, "The fallback budget can't be written: a restart will forget what was spent.");
      }
    });
    return saved;
  }

  return {
    async spend(address) {
      await loaded;
      const nowMs = clock.wallMs();
      dropOld(nowMs);
      const networks = networksOf(address, perHour);
      const isLeft = [...networks].every(([network, most]) => (spent.get(network)?.length ?? 0) < most);
      const isRoom = [...networks.keys()].every((network) => spent.has(network)) || spent.size < MAX_FALLBACK_NETWORKS;
      if (!isLeft || !isRoom) return false;
      for (const network of networks.keys()) spent.set(network, [...(spent.get(network) ?? []), nowMs]);
      await save();
      return true;
    },
    async close() {
      await loaded;
      await saved;
    },
  };
}

/** Each network that an address is in, with what it may spend. An IPv4 address is in none but its own. */
function networksOf(address: string, perHour: number): ReadonlyMap<string, number> {
  const networks = new Map<string, number>();
  for (const { bits, budgets } of FALLBACK_BUDGETS_OF_IPV6) {
    const network = networkOfBits(address, bits);
    if (!networks.has(network)) networks.set(network, perHour * budgets);
  }
  return networks;
}
