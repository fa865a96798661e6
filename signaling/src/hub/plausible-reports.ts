/**
 * Which reports of answers count. The asker's word alone makes no figure: who answered counts its answers itself and signs
 * that count in its announcements, and nobody reads faster than engines write.
 */
import { type AnswerReport, type Clock, LruMap, MAX_SAMPLES, type PeerId, type ServedModel } from '@tabmesh/shared';
import {
  MAX_REPORTED_PAIRS,
  REPORTED_TOKENS_OF_ASKER,
  REPORTED_TOKENS_OF_NETWORK,
  REPORTED_TOKENS_OF_PROVIDER,
  REPORTS_AHEAD,
} from '../limits/limits.ts';
import { BucketPerKey } from '../limits/rate-limit.ts';

type Answered = Extract<AnswerReport, { servedBy: 'mesh' }>;

/** As long as a peer's own count goes back. */
const WINDOW_MS = 3_600_000;

export class PlausibleReports {
  readonly #clock: Clock;
  readonly #ofAskers: BucketPerKey;
  readonly #ofNetworks: BucketPerKey;
  readonly #ofProviders: BucketPerKey;
  /** By peer and model. */
  readonly #counted = new LruMap<string, { readonly sinceMs: number; answers: number }>(MAX_REPORTED_PAIRS);

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ofAskers = new BucketPerKey(REPORTED_TOKENS_OF_ASKER, clock);
    this.#ofNetworks = new BucketPerKey(REPORTED_TOKENS_OF_NETWORK, clock);
    this.#ofProviders = new BucketPerKey(REPORTED_TOKENS_OF_PROVIDER, clock);
  }

  /** @param served the model as who answered announces it now */
  take(asker: PeerId, network: string, report: Answered, served: ServedModel | undefined): boolean {
    const { peerId, completionTokens } = report;
    if (served === undefined || completionTokens > served.contextTokens) return false;
    return (
      this.#isWithinItsOwnCount(report, served) &&
      this.#ofAskers.take(asker, 0, completionTokens) &&
      this.#ofNetworks.take(network, 0, completionTokens) &&
      this.#ofProviders.take(peerId, 0, completionTokens)
    );
  }

  #isWithinItsOwnCount({ peerId, model }: Answered, { measured }: ServedModel): boolean {
    const nowMs = this.#clock.monotonicMs();
    const key = `${peerId} ${model}`;
    const known = this.#counted.peek(key);
    const counted = known === undefined || nowMs - known.sinceMs > WINDOW_MS ? { sinceMs: nowMs, answers: 0 } : known;
    const ownCount = measured?.sampleCount ?? 0;
    // A peer counts no further than that.
    if (ownCount < MAX_SAMPLES && counted.answers >= ownCount + REPORTS_AHEAD) return false;
    counted.answers += 1;
    this.#counted.set(key, counted);
    return true;
  }
}
