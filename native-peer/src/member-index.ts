/** A member of a mesh and an entry as they are compiled, for the benchmarks: they are to measure what runs elsewhere. */

export {
  createIdentity,
  createMesh,
  createSocketIoSignaling,
  silentLogger,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
export { createNodeTransport, verifySignatureInNode } from '@tabmesh/shared/node';
export { startEntry } from '@tabmesh/signaling';
