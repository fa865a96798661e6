/** Which refusals say that a peer can't do what it announced. */
import type { MeshError } from '../errors.ts';

/** What tells of the peer's state; a busy or leaving one is as good as it says. */
const BROKEN: ReadonlySet<string> = new Set([
  'peer_lost',
  'connection_failed',
  'engine_failed',
  'out_of_memory',
  'closed',
]);

export function isBroken(error: MeshError): boolean {
  return BROKEN.has(error.code);
}
