/**
 * WebRTC for Node: simple-peer over node-datachannel, with the few manners that simple-peer expects of a browser.
 */
import { RTCIceCandidate, RTCPeerConnection, RTCSessionDescription } from 'node-datachannel/polyfill';
import type { Transport } from '../ports/transport.ts';
import { createSimplePeerTransport } from './simple-peer-transport.ts';

export { signInNode, verifySignatureInNode } from './node-signature.ts';

export function createNodeTransport(): Transport {
  return createSimplePeerTransport({
    wrtc: {
      RTCPeerConnection: PeerConnection,
      RTCSessionDescription,
      RTCIceCandidate,
    },
    mayLoseDtls: true,
    sdpTransform: (sdp) => withoutCandidates(actAsDtlsClient(sdp)),
  });
}

/** simple-peer writes to the `sdp` of what these return, which is read-only in the polyfill's own class. */
class PeerConnection extends RTCPeerConnection {
  override async createOffer(): Promise<RTCSessionDescriptionInit> {
    const { type, sdp } = await super.createOffer();
    return { type, sdp: sdp ?? '' } as RTCSessionDescriptionInit;
  }

  override async createAnswer(): Promise<RTCSessionDescriptionInit> {
    const { type, sdp } = await super.createAnswer();
    return { type, sdp: sdp ?? '' } as RTCSessionDescriptionInit;
  }
}

/** Two libdatachannel ends that both wait to see who starts DTLS lose a second in half of the cases; this end starts. */
function actAsDtlsClient(sdp: string): string {
  return sdp.replace('a=setup:actpass', 'a=setup:active');
}

/** Candidates inside a description make libdatachannel fail now and then ('without ICE transport'); all follow on their own. */
function withoutCandidates(sdp: string): string {
  return sdp.replace(/a=(candidate|end-of-candidates)[^\r\n]*\r?\n/g, '');
}
