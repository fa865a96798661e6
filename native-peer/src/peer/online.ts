/** Waits on a mesh by its changes. */
import { type Mesh, MeshError } from '@tabmesh/shared';

/**
 * Resolves once the mesh is joined; an entry that is not there yet is waited for.
 * @throws MeshError the entry's refusal, `closed`, or `cancelled`
 */
export async function online(mesh: Mesh, signal: AbortSignal): Promise<void> {
  await waitFor(mesh, signal, () => {
    const connection = mesh.connection();
    if (connection.state === 'refused') throw new MeshError(connection.code, connection.message);
    if (connection.state === 'closed') throw MeshError.closed('mesh');
    return connection.state === 'online';
  });
}

/** Resolves once `condition` holds after a change of the mesh; rejects with what it throws, or `cancelled`. */
export function waitFor(mesh: Mesh, signal: AbortSignal, condition: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      unsubscribe();
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const onAbort = () => settle(() => reject(MeshError.cancelled()));
    const check = () => {
      if (signal.aborted) return onAbort();
      try {
        if (condition()) settle(resolve);
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const unsubscribe = mesh.onChange(check);
    signal.addEventListener('abort', onAbort);
    check();
  });
}
