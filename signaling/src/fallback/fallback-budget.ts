/**
 * How many prompts per address may go to the provider, whom the operator pays: so many in any hour, also across a
 * restart. A prompt counts when it is sent, whether or not the provider answers.
 */
import type { Clock, Logger } from '@tabmesh/shared';
import { FALLBACK_BUDGET_SPAN_MS, MAX_FALLBACK_ADDRESSES } from '../limits/limits.ts';

/** Per address the moments (ms since the epoch) at which it spent. */
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
  /** False: the address spent its budget. Resolves once the spending is kept. */
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
      const key = budgetKeyOf(address);
      dropOld(clock.wallMs());
      const moments = spent.get(key) ?? [];
      if (moments.length >= perHour || (moments.length === 0 && spent.size >= MAX_FALLBACK_ADDRESSES)) return false;
      spent.set(key, [...moments, clock.wallMs()]);
      await save();
      return true;
    },
    async close() {
      await loaded;
      await saved;
    },
  };
}

/** One household has a /64 of IPv6 addresses to choose from; they share one budget. */
export function budgetKeyOf(address: string): string {
  const mapped = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::');
  const groups = groupsOf(head);
  const zeros = tail === undefined ? 0 : 8 - groups.length - groupsOf(tail).length;
  const full = [...groups, ...Array<string>(Math.max(0, zeros)).fill('0'), ...groupsOf(tail ?? '')];
  const network = full.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
