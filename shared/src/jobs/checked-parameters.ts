/** A job as peers take it. What no peer would take is refused here, where the caller still hears of it. */
import { MeshError } from '../errors.ts';
import { JobParameters } from '../protocol/messages.ts';

/** @throws MeshError `invalid_request`. */
export function checkedParameters(parameters: JobParameters): JobParameters {
  const { success, error } = JobParameters.safeParse(parameters);
  if (success) return parameters;
  const [issue] = error.issues;
  throw new MeshError(
    'invalid_request',
    `'${issue?.path.join('.') ?? ''}' of the request is wrong (${issue?.message ?? 'unknown'}). Correct it and try again.`,
  );
}
