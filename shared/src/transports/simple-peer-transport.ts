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
   * Whether both ends may be libdatachannel, which loses the first message of DTLS, for a second, where the end that sends it
   * connected before the other one.
   */
  readonly mayLoseDtls?: boolean;
}

/** A machine has one for each of its addresses and protocols. */
const MAX_WAITING_CANDIDATES = 256;
/** Of the careful offerer: one trip over an entry, and the answerer's first check. */
const LATE_MS = 40;

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
  const { sdpTransform = (sdp: string) => sdp, mayLoseDtls = false } = options;
  return {
    way: 'webrtc',
    open({ initiator, iceServers, isCareful = false }, handlers) {
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
      // libdatachannel refuses candidates while it has no answer of its own, so they wait at the end that gets them.
      let earlyCandidates: SimplePeer.SignalData[] | undefined = initiator ? undefined : [];
      // Where the offerer's candidates are sent at once the answerer connects first, in 5 ms and not in a second; but its checks
      // may come before its answer is applied, and DTLS be through before the offerer knows whom to expect: that breaks off.
      let heldCandidates: string[] | undefined = initiator && (isCareful || !mayLoseDtls) ? [] : undefined;
      // The sure way, which takes 55 ms: the answerer checks alone at first, as the offerer looks at its candidates later.
      let lateCandidates: SimplePeer.SignalData[] | undefined = initiator && isCareful && mayLoseDtls ? [] : undefined;
      let timer: ReturnType<typeof setTimeout> | undefined;
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
        clearTimeout(timer);
        handlers.onClose(failure && MeshError.connectionFailed(failure.message, failure));
      });

      const takeEarlyCandidates = (): void => {
        const candidates = earlyCandidates ?? [];
        earlyCandidates = undefined;
        take(candidates);
      };

      const takeLateCandidates = (): void => {
        const candidates = lateCandidates ?? [];
        lateCandidates = undefined;
        take(candidates);
      };

      const take = (candidates: readonly SimplePeer.SignalData[]): void => {
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
            const waiting = signal.type === 'candidate' ? (earlyCandidates ?? lateCandidates) : undefined;
            if (waiting !== undefined) {
              if (waiting.length >= MAX_WAITING_CANDIDATES) throw new Error('It has too many candidates.');
              waiting.push(signal as SimplePeer.SignalData);
              return;
            }
            peer.signal(signal as SimplePeer.SignalData);
            if (signal.type !== 'answer') return;
            giveHeldCandidates();
            if (lateCandidates !== undefined) timer ??= setTimeout(takeLateCandidates, LATE_MS);
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
