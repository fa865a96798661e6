/**
 * What a ledger asks of a database. Everything that is counted is a sum: answers, tokens, and the buckets of a histogram
 * for times and rates. So buffering, rolling up and adding what several entries wrote are all the same addition.
 */

/**
 * - `answers`: detail `mesh`, `fallback` or `failed` (a failed one has no model: names of what never ran would fill it)
 * - `tokens-served`, `tokens-asked`: detail is the peer's id
 * - `ttft`, `rate`: detail is the bucket (`log-histogram.ts`), n the answers in it
 */
export type CountKind = 'answers' | 'tokens-served' | 'tokens-asked' | 'ttft' | 'rate';

export interface CountRow {
  /** Start of its hour (UTC), or of its day once rolled up. */
  readonly startMs: number;
  readonly kind: CountKind;
  /** Neither holds a `|`. */
  readonly model: string;
  readonly detail: string;
  readonly n: number;
}

/** The first answer of a model, for as long as it is served. */
export interface Milestone {
  readonly model: string;
  readonly atMs: number;
  readonly peerId: string;
  readonly peerName: string;
  readonly ttftMs: number;
  readonly tokensPerSecond: number | null;
}

export interface LedgerBatch {
  readonly id: string;
  readonly counts: readonly CountRow[];
  readonly milestones: readonly Milestone[];
}

export interface LedgerStorage {
  /** Adds all or nothing, and a batch that comes again under its id adds nothing. A known model's milestone stays. */
  write(batch: LedgerBatch): Promise<void>;
  /** Everything that starts at `fromMs` or later, in no order. */
  read(fromMs: number, kinds: readonly CountKind[]): Promise<CountRow[]>;
  /** Oldest first. */
  milestones(): Promise<Milestone[]>;
  forgetMilestones(models: readonly string[]): Promise<void>;
  /** Adds hours before `beforeAtMs`, the start of a day, up into their days. */
  rollUp(beforeAtMs: number): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
