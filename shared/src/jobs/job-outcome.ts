/**
 * What a job that is over adds to the measurements: its figures, or one log line that says why there are
 * none. Both ends of a job come through here, whichever way it was served.
 */
import { MeshError, type MeshErrorCode } from '../errors.ts';
import type { Logger } from '../ports/logger.ts';
import type { JobId, ModelId } from '../protocol/ids.ts';
import type { Usage } from '../protocol/messages.ts';
import type { JobMeasurement } from './job-timer.ts';

/** `implausible_rate`: no time passed, or more tokens in it than any hardware makes. */
export type UnsampledReason =
  | 'non_2xx_status'
  | 'usage_missing'
  | 'zero_completion_tokens'
  | 'client_disconnected'
  | 'implausible_rate';

export type JobOutcome =
  | { readonly sample: JobMeasurement }
  | { readonly sample: null; readonly reason: UnsampledReason; readonly code?: MeshErrorCode };

/** `usageIsGuess`: as an engine says of its end. */
export function finishedOutcome(
  measurement: JobMeasurement | undefined,
  { usage: { completionTokens }, usageIsGuess }: { readonly usage: Usage; readonly usageIsGuess?: boolean },
): JobOutcome {
  if (usageIsGuess || !Number.isSafeInteger(completionTokens) || completionTokens < 0) {
    return { sample: null, reason: 'usage_missing' };
  }
  if (measurement === undefined || completionTokens === 0) {
    return { sample: null, reason: 'zero_completion_tokens' };
  }
  if (measurement.tokensPerSecond === null) return { sample: null, reason: 'implausible_rate' };
  return { sample: measurement };
}

/** `cancelled` is the client's own doing; every other error has the status of its code. */
export function failedOutcome(error: unknown): JobOutcome {
  const code = MeshError.is(error) ? error.code : 'engine_failed';
  return code === 'cancelled'
    ? { sample: null, reason: 'client_disconnected' }
    : { sample: null, reason: 'non_2xx_status', code };
}

/** The one line of a job without a sample. */
export function logUnsampled(
  logger: Logger,
  job: { readonly jobId: JobId; readonly model: ModelId },
  outcome: JobOutcome,
): void {
  if (outcome.sample !== null) return;
  const { sample: _, ...why } = outcome;
  logger.info({ jobId: job.jobId, model: job.model, ...why }, 'A job gave no sample.');
}
