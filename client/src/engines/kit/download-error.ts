/** Why a download failed, in a sentence with the address. */
import { MeshError } from '@tabmesh/shared';

/** wllama throws plain errors and worker messages; a status code is only in their text. */
export function downloadError(url: string, error: unknown): MeshError {
  if (MeshError.is(error)) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (text.startsWith('AbortError')) return MeshError.cancelled();
  const failed = (sentence: string, retryable: boolean) =>
    new MeshError('download_failed', sentence, { retryable, cause: error, details: { url } });
  const status = /HTTP (\d{3})/.exec(text)?.[1];
  if (status === '404' || status === '410') {
    return failed(`There is no file at ${url} (HTTP ${status}). Check the address.`, false);
  }
  if (status !== undefined) return failed(`The server refused ${url} (HTTP ${status}). Try again later.`, true);
  if (/quota|no space/i.test(text)) {
    return failed('The browser has no room left for this model. Free disk space or choose a smaller model.', false);
  }
  return failed(
    `The download of ${url} broke off or was blocked. Check the connection, and that its server allows this site to read it (CORS).`,
    true,
  );
}
