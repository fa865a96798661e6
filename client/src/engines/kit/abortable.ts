/** Lets a caller go at once although the call it waits for knows no AbortSignal; whoever started the call cleans up. */
import { MeshError } from '@tabmesh/shared';

/** Rejects with `cancelled` as soon as `signal` is aborted. */
export function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(MeshError.cancelled());
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
