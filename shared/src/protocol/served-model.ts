/**
 * One model that a peer announces. A model of a form that this version can't read is a newer peer's and is skipped; the
 * rest of the record stays. One of the known form whose figures pass a bound is a lie, and refuses the record.
 */
import { z } from 'zod/mini';
import { MAX_FEATURES, MAX_LIST_ENTRIES, MAX_SERVED_MODELS } from '../limits.ts';
import { ClassId, ModelId } from './ids.ts';
import { anyList } from './open-list.ts';

/** What this version's own engines are; a peer may serve by another. */
export const EngineFamily = z.enum(['llama.cpp', 'mlc', 'openai', 'ollama', 'scripted']);
export type EngineFamily = z.infer<typeof EngineFamily>;

export const ModelFeature = z.enum(['seed', 'continue', 'json', 'logprobs', 'logit-bias', 'penalties', 'embeddings']);
export type ModelFeature = z.infer<typeof ModelFeature>;

/** Opaque, since every family has classes of its own (`classIdOf`): one that this version doesn't know is as good. */
const AnyFamily = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/));
export type AnyFamily = z.infer<typeof AnyFamily>;

const features: ReadonlySet<unknown> = new Set(ModelFeature.options);

/** Those that this version can ask for, each once. */
const knownFeatures = z.pipe(
  anyList,
  z.transform((named) => [
    ...new Set(named.slice(0, MAX_FEATURES).filter((one) => features.has(one)) as ModelFeature[]),
  ]),
);

const count = z.int().check(z.minimum(0), z.maximum(1_000_000));

const durationMs = z.number().check(z.minimum(0), z.maximum(3_600_000));
const tokensPerSecond = z.number().check(z.minimum(0), z.maximum(50_000));

/** The provider's last hour: medians, and the 95th percentiles beside them. */
export const Measured = z.object({
  ttftMs: durationMs,
  ttftP95Ms: durationMs,
  tokensPerSecond,
  tokensPerSecondP95: tokensPerSecond,
  sampleCount: count,
  ageMs: z.number().check(z.minimum(0), z.maximum(86_400_000)),
});
export type Measured = z.infer<typeof Measured>;

/** What the engine does alone, without the mesh: medians of a few deterministic completions. */
export const Baseline = z.object({
  ttftMs: durationMs,
  tokensPerSecond,
  sampleCount: count,
  ageMs: z.number().check(z.minimum(0), z.maximum(Number.MAX_SAFE_INTEGER)),
});
export type Baseline = z.infer<typeof Baseline>;

export const ServedModel = z.object({
  id: ModelId,
  classId: ClassId,
  family: AnyFamily,
  backend: z.string().check(z.maxLength(120)),
  contextTokens: z.int().check(z.minimum(1), z.maximum(10_000_000)),
  slots: z.int().check(z.minimum(1), z.maximum(1024)),
  inFlight: count,
  queued: count,
  sizeBytes: z.int().check(z.minimum(0)),
  features: knownFeatures,
  measured: z.nullable(Measured),
  /** null: not measured yet, or a model that no single peer holds. */
  baseline: z.nullable(Baseline),
});
export type ServedModel = z.infer<typeof ServedModel>;

/** The models of an announcement that this version can read. */
export const ServedModels = z.pipe(
  z.pipe(
    anyList,
    z.transform((entries) => entries.slice(0, MAX_LIST_ENTRIES).filter(hasKnownForm)),
  ),
  z.array(ServedModel).check(z.maxLength(MAX_SERVED_MODELS)),
);

/** Names in letters that this version knows, and every field there, as the JSON type that it was from the first version. */
function hasKnownForm(entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return false;
  const model = entry as Readonly<Record<string, unknown>>;
  return (
    typeof model.id === 'string' &&
    /^[A-Za-z0-9._:/-]*$/.test(model.id) &&
    ClassId.safeParse(model.classId).success &&
    typeof model.family === 'string' &&
    AnyFamily.safeParse(model.family).success &&
    typeof model.backend === 'string' &&
    NUMBERS.every((field) => typeof model[field] === 'number') &&
    Array.isArray(model.features) &&
    hasFields(model.measured, MEASURED_FIELDS) &&
    hasFields(model.baseline, BASELINE_FIELDS)
  );
}

const NUMBERS = ['contextTokens', 'slots', 'inFlight', 'queued', 'sizeBytes'] as const;
const MEASURED_FIELDS = Object.keys(Measured.shape);
const BASELINE_FIELDS = Object.keys(Baseline.shape);

function hasFields(value: unknown, fields: readonly string[]): boolean {
  if (value === null) return true;
  return typeof value === 'object' && fields.every((field) => Object.hasOwn(value, field));
}
