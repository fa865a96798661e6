/**
 * Counts what became of every answer. Counting only adds in memory; once a second what came together leaves for the
 * storage in one batch. A storage that fails keeps nobody waiting: the batch stays and is written when it works again.
 */
import { type Clock, type Logger, MeshError, type ModelId, type PeerId, peerName, type Random } from '@tabmesh/shared';
import {
  LEDGER_FLUSH_MS,
  LEDGER_HOURS_KEPT_DAYS,
  LEDGER_RETRY_MS,
  MAX_LEDGER_COUNTERS,
  MAX_MILESTONES,
  MAX_NOTED_MILESTONES,
  MILESTONE_KEPT_DAYS,
} from '../limits/limits.ts';
import {
  type CountKind,
  type CountRow,
  DAY_MS,
  HOUR_MS,
  type LedgerBatch,
  type LedgerStorage,
  type Milestone,
} from './ledger-storage.ts';
import { bucketOf } from './log-histogram.ts';

/** One answer's end. Times and rates that are no positive number are left out. */
export type CountedAnswer =
  | (ServedAnswer & { readonly servedBy: 'mesh'; readonly peerId: PeerId })
  | (ServedAnswer & { readonly servedBy: 'fallback' })
  | { readonly servedBy: 'failed' };

interface ServedAnswer {
  readonly model: ModelId;
  readonly completionTokens: number;
  readonly ttftMs: number;
  readonly tokensPerSecond: number | null;
}

export interface LedgerOptions {
  readonly storage: LedgerStorage;
  /** The entry's own id, whose answers those of its API are. */
  readonly askedBy: PeerId;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default `MAX_LEDGER_COUNTERS`. */
  readonly mostCounters?: number;
}

export interface Ledger {
  /** At once, never throws. `askedBy`: default the entry. */
  count(answer: CountedAnswer, askedBy?: PeerId): void;
  /** Called with every counted answer. Returns the unsubscribe. */
  onCount(listener: (answer: CountedAnswer) => void): () => void;
  /** What is stored and what waits for it, from `fromMs` on. */
  read(fromMs: number, kinds: readonly CountKind[]): Promise<CountRow[]>;
  /** Of models that were served lately, and of those with most answers; oldest first. */
  milestones(): Promise<Milestone[]>;
  /** Counters that wait in memory, at most twice `mostCounters`. */
  waiting(): number;
  /** Writes what waits, then closes the storage. Idempotent. */
  close(): Promise<void>;
}

export function createLedger(options: LedgerOptions): Ledger {
  return new BufferedLedger(options);
}

class BufferedLedger implements Ledger {
  readonly #options: LedgerOptions;
  readonly #mostCounters: number;
  readonly #listeners = new Set<(answer: CountedAnswer) => void>();
  #gathered = new Gathered();
  /** On its way, the same until the storage took it. */
  #batch: LedgerBatch | undefined;
  /** Its milestones were handed on already. */
  readonly #knownModels = new Set<string>();
  #dropped = 0;
  #storageState: 'works' | 'fails' = 'works';
  #rolledUpToAtMs = 0;
  /** Storage is used by one at a time, so that nothing is read half as stored and half as waiting. */
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#mostCounters = options.mostCounters ?? MAX_LEDGER_COUNTERS;
  }

  count(answer: CountedAnswer, askedBy = this.#options.askedBy): void {
    if (this.#closing !== undefined) return;
    const nowMs = this.#options.clock.wallMs();
    const startMs = startOf(nowMs, HOUR_MS);
    if (answer.servedBy === 'failed') this.#add(startMs, 'answers', '', 'failed', 1);
    else {
      const { servedBy, model, completionTokens, ttftMs, tokensPerSecond } = answer;
      this.#add(startMs, 'answers', model, servedBy, 1);
      if (ttftMs > 0 && Number.isFinite(ttftMs)) this.#add(startMs, 'ttft', model, bucketOf(ttftMs), 1);
      if (tokensPerSecond !== null && tokensPerSecond > 0 && Number.isFinite(tokensPerSecond)) {
        this.#add(startMs, 'rate', model, bucketOf(tokensPerSecond), 1);
      }
      if (Number.isSafeInteger(completionTokens)) {
        this.#add(startMs, 'tokens-asked', model, askedBy, completionTokens);
        if (servedBy === 'mesh') this.#add(startMs, 'tokens-served', model, answer.peerId, completionTokens);
      }
      if (servedBy === 'mesh') this.#noteMilestone(answer, nowMs);
    }
    this.#schedule(LEDGER_FLUSH_MS);
    for (const listener of this.#listeners) listener(answer);
  }

  onCount(listener: (answer: CountedAnswer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  read(fromMs: number, kinds: readonly CountKind[]): Promise<CountRow[]> {
    return this.#inTurn(async () => {
      const stored = await readable(this.#options.storage.read(fromMs, kinds));
      const waiting = [...(this.#batch?.counts ?? []), ...this.#gathered.counts.values()];
      return [...stored, ...waiting.filter((row) => row.startMs >= fromMs && kinds.includes(row.kind))];
    });
  }

  milestones(): Promise<Milestone[]> {
    return this.#inTurn(async () => (await this.#sortedMilestones()).kept);
  }

  waiting(): number {
    return (this.#batch?.counts.length ?? 0) + this.#gathered.counts.size;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const { storage, logger } = this.#options;
    await this.#inTurn(async () => {
      // The batch that failed before, then what gathered since.
      for (let left = 2; left > 0 && (await this.#write()); left -= 1) {}
      const lost = this.waiting();
      if (lost > 0) logger.error({ counters: lost }, 'The ledger closed while its storage failed: counts are lost.');
      await storage.close();
    });
  }

  #add(startMs: number, kind: CountKind, model: string, detail: string, n: number): void {
    if (n <= 0) return;
    const { counts } = this.#gathered;
    const key = `${startMs}|${kind}|${model}|${detail}`;
    const known = counts.get(key);
    if (known !== undefined) known.n += n;
    else if (counts.size < this.#mostCounters) counts.set(key, { startMs, kind, model, detail, n });
    else this.#dropped += 1;
  }

  #noteMilestone(answer: CountedAnswer & { readonly servedBy: 'mesh' }, atMs: number): void {
    const { model, peerId, ttftMs, tokensPerSecond } = answer;
    if (this.#knownModels.has(model) || this.#knownModels.size >= MAX_NOTED_MILESTONES) return;
    this.#knownModels.add(model);
    this.#gathered.milestones.push({ model, atMs, peerId, peerName: peerName(peerId), ttftMs, tokensPerSecond });
  }

  #schedule(delayMs: number): void {
    if (this.#closing !== undefined) return;
    this.#cancelTimer ??= this.#options.clock.after(delayMs, () => {
      this.#cancelTimer = undefined;
      void this.#inTurn(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    await this.#write();
    if (this.#storageState === 'fails') this.#schedule(LEDGER_RETRY_MS);
    else if (this.waiting() > 0) this.#schedule(LEDGER_FLUSH_MS);
  }

  /** Whether there was something and the storage took it. */
  async #write(): Promise<boolean> {
    const { storage, random } = this.#options;
    if (this.#batch === undefined && this.#gathered.counts.size > 0) {
      this.#batch = {
        id: Buffer.from(random.bytes(16)).toString('hex'),
        counts: [...this.#gathered.counts.values()],
        milestones: this.#gathered.milestones,
      };
      this.#gathered = new Gathered();
    }
    const batch = this.#batch;
    if (batch === undefined && this.#storageState === 'works') return false;
    try {
      if (batch !== undefined) await storage.write(batch);
      this.#batch = undefined;
      await this.#rollUp();
      this.#onWorks();
      return batch !== undefined;
    } catch (error) {
      this.#onFails(error);
      return false;
    }
  }

  /** Once a day is enough. */
  async #rollUp(): Promise<void> {
    const beforeAtMs = startOf(this.#options.clock.wallMs() - LEDGER_HOURS_KEPT_DAYS * DAY_MS, DAY_MS);
    if (beforeAtMs <= this.#rolledUpToAtMs) return;
    const { storage } = this.#options;
    await storage.rollUp(beforeAtMs);
    const { kept, forgotten } = await this.#sortedMilestones();
    await storage.forgetMilestones(forgotten);
    this.#knownModels.clear();
    for (const { model } of kept) this.#knownModels.add(model);
    this.#rolledUpToAtMs = beforeAtMs;
  }

  /** Which models are told of, and whose milestones are not kept: of those that nobody serves, and past a number. */
  async #sortedMilestones(): Promise<{ readonly kept: Milestone[]; readonly forgotten: readonly string[] }> {
    const { storage, clock } = this.#options;
    const sinceMs = startOf(clock.wallMs(), DAY_MS) - MILESTONE_KEPT_DAYS * DAY_MS;
    const waiting = [...(this.#batch?.milestones ?? []), ...this.#gathered.milestones];
    const noted = [...(await readable(storage.milestones())), ...waiting];
    const firsts = [...new Map([...noted].reverse().map((one) => [one.model, one])).values()];
    const counted = [
      ...(await readable(storage.read(sinceMs, ['answers']))),
      ...(this.#batch?.counts ?? []),
      ...this.#gathered.counts.values(),
    ];
    const answers = new Map<string, number>();
    for (const { kind, model, n } of counted) {
      if (kind === 'answers') answers.set(model, (answers.get(model) ?? 0) + n);
    }
    const ranked = firsts
      .filter(({ model, atMs }) => answers.has(model) || atMs >= sinceMs)
      .sort((a, b) => (answers.get(b.model) ?? 0) - (answers.get(a.model) ?? 0) || a.atMs - b.atMs);
    const kept = ranked.slice(0, MAX_MILESTONES);
    const told = new Set(kept.map(({ model }) => model));
    return {
      kept: kept.sort((a, b) => a.atMs - b.atMs),
      forgotten: firsts.map(({ model }) => model).filter((model) => !told.has(model)),
    };
  }

  #onFails(error: unknown): void {
    if (this.#storageState === 'fails') return;
    this.#storageState = 'fails';
    const fields = { error: error instanceof Error ? error.message : String(error) };
    this.#options.logger.warn(fields, 'The ledger can not be written. Counts stay in memory until it can.');
  }

  #onWorks(): void {
    const { logger } = this.#options;
    if (this.#storageState === 'fails') logger.info({}, 'The ledger is written again.');
    this.#storageState = 'works';
    if (this.#dropped > 0) logger.warn({ dropped: this.#dropped }, 'More was to be counted than memory may hold.');
    this.#dropped = 0;
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** @throws MeshError `upstream_failed`: the storage's own words are for the log of whoever runs it. */
function readable<T>(reading: Promise<T>): Promise<T> {
  return reading.catch((cause: unknown) => {
    const message = 'The ledger can not be read right now. Try again in a few seconds.';
    throw new MeshError('upstream_failed', message, { retryable: true, cause });
  });
}

function startOf(atMs: number, spanMs: number): number {
  return atMs - (atMs % spanMs);
}

/** What came since the last batch. */
class Gathered {
  readonly counts = new Map<string, CountRow & { n: number }>();
  readonly milestones: Milestone[] = [];
}
