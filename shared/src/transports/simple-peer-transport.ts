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
  /**
   * Whether an offerer gives its candidates away at once or when it has the answer, which is the default: browsers gain
   * nothing by it.
   */
  readonly candidatesAtOnce?: boolean;
}

/** A machine has one for each of its addresses and protocols. */
const MAX_EARLY_CANDIDATES = 256;

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
  const { sdpTransform = (sdp: string) => sdp, candidatesAtOnce = false } = options;
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
      // libdatachannel refuses candidates while it has no answer of its own, so they wait at the end that gets them. Where they
      // wait at the end that has them, its first DTLS message meets no transport half of the time, and is sent again after 1 s.
      let earlyCandidates: SimplePeer.SignalData[] | undefined = initiator ? undefined : [];
      let heldCandidates: string[] | undefined = initiator && !candidatesAtOnce ? [] : undefined;
      let failure: Error | undefined;

      peer.on('signal', (signal) => {
        // simple-peer's own `sdpTransform` never reaches what it signals.
        const sent =
          'sdp' in signal && signal.sdp !== undefined ? { ...signal, sdp: sdpTransform(signal.sdp) } : signal;
        const payload = JSON.stringify(sent);
        if (signal.type === 'candidate' && heldCandidates !== undefined) heldCandidates.push(payload);
        else handlers.onSignal(payload);
        if (signal.type === 'answer') takeEarlyCandidates();
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

      const takeEarlyCandidates = (): void => {
        const candidates = earlyCandidates ?? [];
        earlyCandidates = undefined;
        for (const candidate of candidates) if (state !== 'closed') peer.signal(candidate);
      };

      const giveHeldCandidates = (): void => {
        const candidates = heldCandidates ?? [];
        heldCandidates = undefined;
        for (const candidate of candidates) handlers.onSignal(candidate);
      };

      const channel: Channel = {
        signal(payload) {
          if (state === 'closed') return;
          try {
            const signal = parseJson(Signal, payload);
            if (signal.type === 'candidate' && earlyCandidates !== undefined) {
              if (earlyCandidates.length >= MAX_EARLY_CANDIDATES) throw new Error('It has too many candidates.');
              earlyCandidates.push(signal as SimplePeer.SignalData);
            } else peer.signal(signal as SimplePeer.SignalData);
            if (signal.type === 'answer') giveHeldCandidates();
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
