/** A real member of a mesh, in Node or in a tab, and what a benchmark waits for before it measures. */
import type { Mesh, ModelId, PeerId, PeerKind, Transport, VerifySignature } from '@tabmesh/shared';
import * as sources from '@tabmesh/shared';

/** A model that a peer has begun to serve. */
export interface Serving {
  readonly peerId: PeerId;
  readonly model: ModelId;
  readonly backend: string;
}

type Core = Pick<
  typeof sources,
  'createIdentity' | 'createMesh' | 'createSocketIoSignaling' | 'silentLogger' | 'systemClock' | 'systemRandom'
>;

/** `core`: the compiled one in Node; pages are compiled as a whole. */
export function joinMesh(
  url: string,
  kind: PeerKind,
  transport: Transport,
  verify?: VerifySignature,
  core: Core = sources,
): Mesh {
  return core.createMesh({
    identity: core.createIdentity(core.systemRandom),
    kind,
    version: 'bench',
    signaling: [core.createSocketIoSignaling({ url })],
    transports: [transport],
    verify,
    clock: core.systemClock,
    random: core.systemRandom,
    logger: core.silentLogger,
  });
}

/** Resolves once the link to the peer is open and its model is announced. */
export function whenLinked(mesh: Mesh, { peerId, model }: Serving, signal: AbortSignal): Promise<void> {
  return until(mesh, signal, () => {
    const peer = mesh.peers().find((one) => one.peerId === peerId);
    return peer?.linked === true && peer.announcement.models.some(({ id }) => id === model);
  });
}

/** Resolves once its model is announced, linked or not. */
export function whenListed(mesh: Mesh, { peerId, model }: Serving, signal: AbortSignal): Promise<void> {
  return until(mesh, signal, () =>
    mesh.peers().some((one) => one.peerId === peerId && one.announcement.models.some(({ id }) => id === model)),
  );
}

export function whenGone(mesh: Mesh, peerId: PeerId, signal: AbortSignal): Promise<void> {
  return until(mesh, signal, () => mesh.peers().every((peer) => peer.peerId !== peerId));
}

/** Resolves when the mesh tells of a change after which `condition` holds; at once when it holds already. */
function until(mesh: Mesh, signal: AbortSignal, condition: () => boolean): Promise<void> {
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
