/** The SHA-256 of a model file, which names its class; see `sha256-worker.ts`. */
import { MeshError } from '@tabmesh/shared';
import { abortable } from '../kit/abortable.ts';
import type { HashReport } from './sha256-worker.ts';

/** In hex. Rejects with `cancelled`, or `model_invalid` when the file can't be read any more. */
export function sha256OfFile(
  file: Blob,
  onProgress: (hashedBytes: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const worker = new Worker(new URL('./sha256-worker.ts', import.meta.url), { type: 'module' });
  const hashing = new Promise<string>((resolve, reject) => {
    const fail = (reason: string) =>
      reject(MeshError.modelInvalid(`The model file can't be read (${reason}). Choose it again.`));
    worker.addEventListener('error', (event) => fail(event.message));
    worker.addEventListener('message', ({ data }: MessageEvent<HashReport>) => {
      if (data.type === 'progress') onProgress(data.hashedBytes);
      else if (data.type === 'done') resolve(data.sha256);
      else fail(data.reason);
    });
    worker.postMessage(file);
  });
  return abortable(hashing, signal).finally(() => worker.terminate());
}
