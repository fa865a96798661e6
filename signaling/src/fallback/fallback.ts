/**
 * The second supply behind the gate: an outside provider, asked only when the mesh misses its targets, only for models that
 * are daily drivers and that the operator named, within a budget. Whenever it can't or may not answer, the mesh does.
 */
import {
  type Clock,
  type CompletionRequest,
  JobId,
  type Logger,
  MeshError,
  type ModelId,
  type Random,
  randomHexId,
  tierOf,
} from '@tabmesh/shared';
import { type OpenedAnswer, resumed } from '../answers/opened-answer.ts';
import { type BudgetStore, createFallbackBudget } from './fallback-budget.ts';
import type { FallbackSettings } from './fallback-settings.ts';
import { answerOf, providerBody } from './provider-answer.ts';
import { providerData } from './provider-request.ts';

/** `x-tabmesh-fallback-status`. */
export type FallbackStatus =
  | 'not-needed'
  | 'used'
  | 'fallback-disabled'
  | 'tier-not-eligible'
  | 'not-mapped'
  | 'over-budget'
  | 'upstream-failed';

export type FallbackOutcome =
  | { readonly status: 'used'; readonly answer: OpenedAnswer }
  | { readonly status: Exclude<FallbackStatus, 'used' | 'not-needed' | 'fallback-disabled'> };

export interface FallbackOptions {
  readonly settings: FallbackSettings;
  readonly store: BudgetStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Fallback {
  /** Of the provider, for people to read: where a prompt would go. */
  readonly host: string;
  /** Models whose prompts an outside provider may see. */
  readonly models: readonly ModelId[];
  /**
   * Resolves with the provider's first token, or with why there is none.
   * @throws MeshError `cancelled`, only when `signal` aborted.
   */
  ask(model: ModelId, request: CompletionRequest, address: string, signal: AbortSignal): Promise<FallbackOutcome>;
  /** Keeps what was spent. Idempotent. */
  close(): Promise<void>;
}

export function createFallback({ settings, store, clock, random, logger }: FallbackOptions): Fallback {
  const { endpoint, key, models, budget: perHour } = settings;
  const budget = createFallbackBudget({ perHour, store, clock, logger });

  return {
    host: endpoint.host,
    models: [...models.keys()].filter((model) => tierOf(model) === 'daily-driver'),
    async ask(model, request, address, signal) {
      if (tierOf(model) !== 'daily-driver') return { status: 'tier-not-eligible' };
      const theirs = models.get(model);
      if (theirs === undefined) return { status: 'not-mapped' };
      if (signal.aborted) throw MeshError.cancelled();
      if (!(await budget.spend(address))) return { status: 'over-budget' };
      const body = providerBody(request, theirs);
      const events = answerOf(providerData({ endpoint, key, body, clock }, signal), clock);
      try {
        const first = await events.next();
        if (first.done) return { status: 'upstream-failed' };
        logger.info({ model, provider: endpoint.host }, 'The mesh misses its targets: a fallback provider answers.');
        const jobId = JobId.parse(randomHexId(random));
        return { status: 'used', answer: { jobId, model, peerId: null, events: resumed(first.value, events) } };
      } catch (error) {
        if (signal.aborted) throw MeshError.cancelled();
        const reason = MeshError.is(error) ? error.message : 'unknown';
        logger.warn({ model, provider: endpoint.host, reason }, 'The fallback provider gave no answer: the mesh does.');
        return { status: 'upstream-failed' };
      }
    },
    close: () => budget.close(),
  };
}
