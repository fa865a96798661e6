/**
 * The gate in front of an answer: how fast the mesh is for the model that was asked for, told in the headers of every
 * reply, refusals included, and deciding whether a fallback provider may be asked.
 */
import { type CompletionRequest, evaluateSla, type Mesh, ModelId, type SlaVerdict } from '@tabmesh/shared';
import type { Fallback, FallbackOutcome } from '../fallback/fallback.ts';

export type GateOutcome = FallbackOutcome | { readonly status: 'not-needed' | 'fallback-disabled' };

/** By what this entry measured of each peer that serves the model, or else by what the peer announced. */
export function slaVerdict(mesh: Mesh, model: ModelId): SlaVerdict {
  return evaluateSla(
    model,
    mesh.measurementsOf(model).map(({ measured }) => measured),
  );
}

/** What a body asks for, before it is checked; undefined when it names no model and the mesh has none. */
export function modelAskedFor(mesh: Mesh, body: unknown): ModelId | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const named = 'model' in body ? body.model : undefined;
  return named === undefined || named === null ? mesh.defaultModel() : ModelId.safeParse(named).data;
}

export function slaHeaders({ status, tier, candidates, bestTtftMs, bestTokensPerSecond }: SlaVerdict) {
  return {
    'x-tabmesh-sla-status': status,
    'x-tabmesh-sla-tier': tier,
    'x-tabmesh-sla-candidates': String(candidates),
    ...(bestTtftMs === null ? {} : { 'x-tabmesh-sla-best-ttft-ms': String(Math.round(bestTtftMs)) }),
    ...(bestTokensPerSecond === null
      ? {}
      : { 'x-tabmesh-sla-best-tps': String(Number(bestTokensPerSecond.toFixed(2))) }),
  };
}

export interface GatedQuestion {
  readonly model: ModelId;
  readonly verdict: SlaVerdict;
  readonly request: CompletionRequest;
  /** Whose budget is spent. */
  readonly address: string;
  /** Undefined: the prompt stays in the mesh. */
  readonly fallback: Fallback | undefined;
}

/**
 * Without an answer in the outcome the mesh serves.
 * @throws MeshError `cancelled`
 */
export async function passGate(
  { model, verdict, request, address, fallback }: GatedQuestion,
  signal: AbortSignal,
): Promise<GateOutcome> {
  if (verdict.passes) return { status: 'not-needed' };
  if (fallback === undefined) return { status: 'fallback-disabled' };
  return fallback.ask(model, request, address, signal);
}
