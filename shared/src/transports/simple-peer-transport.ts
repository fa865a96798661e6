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
      // libdatachannel refuses candidates while it has no answer of its own.
      const theirs = new CandidateGate<SimplePeer.SignalData>((candidate) => {
        if (state !== 'closed') peer.signal(candidate);
      });
      const ours = new CandidateGate<string>((payload) => handlers.onSignal(payload));
      // Where the offerer's candidates are sent at once the answerer connects first, in 5 ms and not in a second; but its checks
      // may come before its answer is applied, and DTLS be through before the offerer knows whom to expect: that breaks off. The
      // sure way takes 55 ms: the answerer checks alone at first, as the offerer looks at its candidates later.
      const isSure = isCareful && mayLoseDtls;
      if (!initiator || (mayLoseDtls && !isCareful)) ours.open();
      if (initiator && !isSure) theirs.open();
      let timer: ReturnType<typeof setTimeout> | undefined;
      let failure: Error | undefined;

      peer.on('signal', (signal) => {
        // simple-peer's own `sdpTransform` never reaches what it signals.
        const sent =
          'sdp' in signal && signal.sdp !== undefined ? { ...signal, sdp: sdpTransform(signal.sdp) } : signal;
        const payload = JSON.stringify(sent);
        if (signal.type === 'candidate') ours.pass(payload);
        else handlers.onSignal(payload);
        if (signal.type === 'answer') theirs.open();
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

      const channel: Channel = {
        signal(payload) {
          if (state === 'closed') return;
          try {
            const signal = parseJson(Signal, payload);
            if (signal.type === 'candidate') {
              if (theirs.waiting >= MAX_WAITING_CANDIDATES) throw new Error('It has too many candidates.');
              theirs.pass(signal as SimplePeer.SignalData);
              return;
            }
            peer.signal(signal as SimplePeer.SignalData);
            if (signal.type !== 'answer') return;
            ours.open();
            if (isSure) timer ??= setTimeout(() => theirs.open(), LATE_MS);
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

/** Candidates wait before it until it opens, in order. */
class CandidateGate<Candidate> {
  readonly #use: (candidate: Candidate) => void;
  #waiting: Candidate[] | undefined = [];

  constructor(use: (candidate: Candidate) => void) {
    this.#use = use;
  }

  get waiting(): number {
    return this.#waiting?.length ?? 0;
  }

  pass(candidate: Candidate): void {
    if (this.#waiting === undefined) this.#use(candidate);
    else this.#waiting.push(candidate);
  }

  /** Idempotent. */
  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const candidate of waiting) this.#use(candidate);
  }
}
