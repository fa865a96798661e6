/**
 * What stands above Continue. The sentence of the error ends with what to do where nothing can go on ('Send the message
 * again'), so where something can, the code is what tells the reason.
 */
import type { MeshErrorCode } from '@tabmesh/shared';

const REASONS: Readonly<Partial<Record<MeshErrorCode, string>>> = {
  peer_lost: 'The peer that was answering is gone, and no other could go on.',
  peer_draining: 'The peer that was answering has left, and no other could go on.',
  no_peer_with_model: 'The peer that was answering is gone, and no other serves this model.',
  mesh_busy: 'The answer broke off, and every peer that could go on is busy.',
  connection_failed: 'The connection to the peer that was answering broke.',
  cancelled: 'The page closed while this answer was running.',
};

export function brokenOffText(code: MeshErrorCode, canAnswer: boolean): string {
  const reason = REASONS[code] ?? 'The answer broke off.';
  return `${reason} Continue goes on from here${canAnswer ? '.' : ', as soon as a peer serves a model.'}`;
}
