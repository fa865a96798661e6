/** A real member of a mesh in Node: its own key, socket.io, WebRTC. */
import {
  createIdentity,
  createMesh,
  createSocketIoSignaling,
  type Mesh,
  type PeerKind,
  silentLogger,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { type Entry, startEntry } from '@tabmesh/signaling';

export function joinMesh(url: string, kind: PeerKind): Mesh {
  return createMesh({
    identity: createIdentity(systemRandom),
    kind,
    version: 'bench',
    signaling: createSocketIoSignaling({ url }),
    transport: createNodeTransport(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
}

/** An entry of this run's own, on a free port of the loopback. */
export function startBenchEntry(roots: { webRoot?: string; modelRoot?: string } = {}): Promise<Entry> {
  return startEntry({
    host: '127.0.0.1',
    port: 0,
    identity: createIdentity(systemRandom),
    version: 'bench',
    logger: silentLogger,
    ...roots,
  });
}

/** Resolves once `condition` holds of what the mesh knows. */
export function until(mesh: Mesh, signal: AbortSignal, condition: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      unsubscribe();
      signal.removeEventListener('abort', onAbort);
      end();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const check = () => {
      if (condition()) settle(resolve);
    };
    const unsubscribe = mesh.onChange(check);
    signal.addEventListener('abort', onAbort);
    check();
  });
}
