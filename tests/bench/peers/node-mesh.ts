/** A member in Node, as native peers are: apart from `bench-mesh.ts`, which pages load too. */
import type { Mesh, PeerKind } from '@tabmesh/shared';
import { joinMesh } from './bench-mesh.ts';
import { compiled } from './compiled.ts';

export function joinFromNode(url: string, kind: PeerKind): Mesh {
  return joinMesh(url, kind, compiled.createNodeTransport(), compiled.verifySignatureInNode, compiled);
}
