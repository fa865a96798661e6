/**
 * The real transport: one WebRTC data channel per link, through simple-peer. In Node the WebRTC implementation is passed
 * in (see `node.ts`); a browser brings its own.
 */
import SimplePeer from 'simple-peer';
import { z } from 'zod/mini';
import { MeshError } from '../errors.ts';
import type { Channel, Transport } from '../ports/transport.ts';
import { parseJson } from '../protocol/decode.ts';
import { listenForDrain } from './simple-peer-drain.ts';

export interface SimplePeerTransportOptions {
  /** WebRTC's constructors where the platform has none. */
  readonly wrtc?: object;
  /** Applied to the session descriptions that this end sends. */
  readonly sdpTransform?: ((sdp: string) => string) | undefined;
}

/** The only signals a data-only link needs; renegotiation and media requests of a hostile peer are refused. */
const Signal = z.discriminatedUnion('type', [
  z.object({ type: z.literal('offer'), sdp: z.string() }),
  z.object({ type: z.literal('answer'), sdp: z.string() }),
  z.object({
    type: z.literal('candidate'),
    candidate: z.object({
      candidate: z.string(),
      sdpMid: z.nullish(z.string()),
      sdpMLineIndex: z.nullish(z.int()),
    }),
  }),
]);

export function createSimplePeerTransport(options: SimplePeerTransportOptions = {}): Transport {
  const { sdpTransform = (sdp: string) => sdp } = options;
  return {
    way: 'webrtc',
    open({ initiator, iceServers }, handlers) {
      const peer = new SimplePeer({
        initiator,
        trickle: true,
        channelConfig: { ordered: true },
        config: {
          iceServers: iceServers.map((server) => ({
            ...server,
            urls: [server.urls].flat(),
          })) as RTCIceServer[],
        },
        ...(options.wrtc === undefined ? {} : { wrtc: options.wrtc as never }),
      });
      let state: 'connecting' | 'open' | 'closed' = 'connecting';
      // libdatachannel refuses candidates that overtake the description they belong to, so the offerer keeps its own
      // back until the answer proves that its offer was applied.
      let heldCandidates: string[] | undefined = initiator ? [] : undefined;
      let failure: Error | undefined;

      peer.on('signal', (signal) => {
        // simple-peer's own `sdpTransform` never reaches what it signals.
        const sent =
          'sdp' in signal && signal.sdp !== undefined ? { ...signal, sdp: sdpTransform(signal.sdp) } : signal;
        const payload = JSON.stringify(sent);
        if (signal.type === 'candidate' && heldCandidates !== undefined) heldCandidates.push(payload);
        else handlers.onSignal(payload);
      });
      peer.on('connect', () => {
        state = 'open';
        listenForDrain(peer, () => {
          if (state === 'open') handlers.onDrain();
        });
        handlers.onOpen();
      });
      peer.on('data', (data: Uint8Array | string) => {
        if (typeof data === 'string') channel.close();
        else handlers.onMessage(data);
      });
      peer.on('error', (error) => {
        failure = error;
      });
      peer.on('close', () => {
        if (state === 'closed') return;
        state = 'closed';
        handlers.onClose(failure && MeshError.connectionFailed(failure.message, failure));
      });

      const channel: Channel = {
        signal(payload) {
          if (state === 'closed') return;
          try {
            const signal = parseJson(Signal, payload);
            peer.signal(signal as SimplePeer.SignalData);
            if (signal.type === 'answer' && heldCandidates !== undefined) {
              const candidates = heldCandidates;
              heldCandidates = undefined;
              for (const candidate of candidates) handlers.onSignal(candidate);
            }
          } catch (error) {
            peer.destroy(error instanceof Error ? error : new Error(String(error)));
          }
        },
        send(bytes) {
          if (state !== 'open') throw MeshError.closed('channel');
          peer.send(bytes);
        },
        bufferedBytes: () => (state === 'open' ? peer.bufferSize : 0),
        close: () => peer.destroy(),
      };
      return channel;
    },
  };
}
