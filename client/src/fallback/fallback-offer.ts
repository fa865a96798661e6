/**
 * Whether an outside provider would answer the next question, and the sentence that says so before it is sent. The tab
 * judges by what it knows itself, with the gate's own function, so that nothing is asked of the entry before it must be.
 */
import type { ModelId, SlaStatus, SlaVerdict } from '@tabmesh/shared';

/** The provider behind the entry's gate. */
export interface Provider {
  readonly host: string;
  /** The models that it answers for. */
  readonly models: readonly string[];
}

export interface FallbackOffer {
  readonly host: string;
  readonly sentence: string;
}

/** Undefined: the question stays in the mesh. */
export function fallbackOffer(
  model: ModelId,
  verdict: SlaVerdict,
  provider: Provider | undefined,
): FallbackOffer | undefined {
  if (verdict.passes || verdict.status === 'meets-sla') return undefined;
  if (provider === undefined || !provider.models.includes(model)) return undefined;
  const { host } = provider;
  return {
    host,
    sentence: `${REASONS[verdict.status](model)}: ${host}, an outside provider, would answer and see this conversation.`,
  };
}

const notFastEnough = (model: ModelId) => `No peer is fast enough for ${model} now`;

const REASONS: Record<Exclude<SlaStatus, 'meets-sla'>, (model: ModelId) => string> = {
  'no-peer-with-model': (model) => `No peer serves ${model} now`,
  'no-measurements': (model) => `Nobody knows yet how fast ${model} is here`,
  'ttft-too-high': notFastEnough,
  'tps-too-low': notFastEnough,
  'both-too-low': notFastEnough,
};

/** Reads the part of `GET /api/status` that tells of the provider; undefined when there is none that has a name. */
export function readProvider(status: unknown): Provider | undefined {
  const { fallback } = (typeof status === 'object' && status !== null ? status : {}) as { fallback?: unknown };
  if (typeof fallback !== 'object' || fallback === null) return undefined;
  const { host, models } = fallback as { host?: unknown; models?: unknown };
  if (typeof host !== 'string' || host === '' || !Array.isArray(models)) return undefined;
  return { host, models: models.filter((model) => typeof model === 'string') };
}

/** The provider of the entry that this page came from. What can't be read is none. */
export async function fetchProvider(signal: AbortSignal): Promise<Provider | undefined> {
  try {
    const response = await fetch('/api/status', { signal, cache: 'no-store' });
    return response.ok ? readProvider(await response.json()) : undefined;
  } catch {
    return undefined;
  }
}
