/**
 * A reliable, ordered, bidirectional byte-message channel to one other peer, negotiated by exchanging small JSON
 * strings. Adapters: simple-peer over WebRTC (browser and Node), `VirtualNetwork` (testing); all pass `transportContract`.
 */
import type { PeerId } from '../protocol/ids.ts';

export interface TransportHandlers {
  /** A session description or candidate that the other end must get, in order, as an opaque JSON string. */
  onSignal(payload: string): void;
  onOpen(): void;
  /** The bytes are only valid during the call. */
  onMessage(bytes: Uint8Array): void;
  /** `bufferedBytes` was above `CHANNEL_LOW_WATER_BYTES` and is not any more. */
  onDrain(): void;
  /** Once, last: nothing is called after it. */
  onClose(error: Error | undefined): void;
}

export interface Channel {
  /** Feeds a payload of the other end's `onSignal`. A payload that makes no sense closes the channel. */
  signal(payload: string): void;
  /** Sends up to `MAX_FRAME_BYTES` (see `limits.ts`). The bytes are copied or sent before it returns. Throws when not open. */
  send(bytes: Uint8Array): void;
  /** Bytes accepted by `send` and not yet handed to the network. */
  bufferedBytes(): number;
  /** Idempotent. The other end sees its `onClose`. */
  close(): void;
}

export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string | undefined;
  readonly credential?: string | undefined;
}

export interface ChannelOptions {
  readonly initiator: boolean;
  /** Who is to be at the other end. */
  readonly remote: PeerId;
  readonly iceServers: readonly IceServer[];
  /** An attempt before this one did not lead to a link, so that what is sure is worth more than what is fast. */
  readonly isCareful?: boolean;
}

/** One way in which a link can come about. A member may have several. */
export interface Transport {
  /** Its name, the same at both ends, at most 32 characters: `webrtc`. */
  readonly way: string;
  open(options: ChannelOptions, handlers: TransportHandlers): Channel;
}

/** A member's ways, best first; the first is one that every member has, the others are used where both ends announce them. */
export type Transports = readonly [Transport, ...Transport[]];
