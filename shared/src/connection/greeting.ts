/** The first message of both ends of a link: who each is, which protocol it speaks, and what it can do beyond that. */
import { MeshError } from '../errors.ts';
import { CAPABILITIES } from '../protocol/capabilities.ts';
import type { PeerId } from '../protocol/ids.ts';
import { type PeerMessage, type PeerMessageOf, PROTOCOL_VERSION } from '../protocol/messages.ts';

export function helloOf(self: PeerId): PeerMessageOf<'hello'> {
  return { type: 'hello', protocol: PROTOCOL_VERSION, peerId: self, capabilities: [...CAPABILITIES] };
}

/**
 * What the other end can do.
 * @throws MeshError `protocol_violation` when it is no hello of the expected peer in this protocol.
 */
export function capabilitiesOf(message: PeerMessage, remote: PeerId): ReadonlySet<string> {
  if (message.type !== 'hello') throw MeshError.protocolViolation(`'${message.type}' came before 'hello'`);
  if (message.protocol !== PROTOCOL_VERSION) {
    throw MeshError.protocolViolation(
      `the peer speaks protocol ${message.protocol}, this one ${PROTOCOL_VERSION}; update the older one`,
    );
  }
  if (message.peerId !== remote) throw MeshError.protocolViolation('the peer gave another id');
  return new Set(message.capabilities);
}
