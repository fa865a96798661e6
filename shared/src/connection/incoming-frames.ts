/**
 * What comes out of a channel, as decoded messages and frames of streams, and what the other end does wrong with them:
 * that is dropped and counted, and past a few times the link is given up.
 */
import { MeshError } from '../errors.ts';
import { MAX_UNKNOWN_TYPES, MAX_VIOLATIONS } from '../limits.ts';
import type { Logger } from '../ports/logger.ts';
import { decodePeerMessage } from '../protocol/decode.ts';
import { FrameAssembler, type FrameKind, readPack } from '../protocol/frames.ts';
import type { PeerId } from '../protocol/ids.ts';
import type { PeerMessage } from '../protocol/messages.ts';

export type StreamFrameKind = 'stream-data' | 'stream-ack';

export interface IncomingFramesOptions {
  readonly remote: PeerId;
  readonly logger: Logger;
  /** What it throws as a `MeshError` the other end did wrong. */
  onMessage(message: PeerMessage): void;
  /** As `onMessage`, for a frame of a stream. */
  onStreamFrame(kind: StreamFrameKind, frame: Uint8Array): void;
  /** Before the link is open nothing is forgiven. */
  forgives(): boolean;
  /** The link can't go on. */
  onFailure(error: Error): void;
}

export class IncomingFrames {
  readonly #options: IncomingFramesOptions;
  readonly #assembler = new FrameAssembler();
  /** The types of messages that this version doesn't know, for one line each. */
  readonly #unknownTypes = new Set<string>();
  #violations = 0;

  constructor(options: IncomingFramesOptions) {
    this.#options = options;
  }

  receive(kind: FrameKind, frame: Uint8Array): void {
    if (kind === 'message') this.#receivePiece(frame);
    else if (kind === 'pack') this.#receivePack(frame);
    // What is no message does no harm to those: the channel keeps the bounds of frames.
    else this.#try(() => this.#receiveBeside(kind, frame));
  }

  #receivePack(frame: Uint8Array): void {
    let messages: readonly Uint8Array[] = [];
    this.#try(() => {
      messages = readPack(frame);
    });
    for (const bytes of messages) this.#try(() => this.#decode(bytes));
  }

  #receiveBeside(kind: Exclude<FrameKind, 'message' | 'pack'>, frame: Uint8Array): void {
    if (kind === 'unknown') throw MeshError.protocolViolation('a frame of an unknown kind was skipped');
    this.#options.onStreamFrame(kind, frame);
  }

  #receivePiece(frame: Uint8Array): void {
    let bytes: Uint8Array | undefined;
    try {
      bytes = this.#assembler.push(frame);
    } catch (error) {
      // Without its pieces the rest of the messages makes no sense.
      this.#options.onFailure(asError(error));
      return;
    }
    if (bytes !== undefined) this.#try(() => this.#decode(bytes));
  }

  #decode(bytes: Uint8Array): void {
    const message = decodePeerMessage(bytes);
    if (message.type === 'unknown') this.#skip(message.of);
    else this.#options.onMessage(message);
  }

  /** A newer peer says more than this version knows. */
  #skip(type: string): void {
    if (this.#unknownTypes.has(type) || this.#unknownTypes.size >= MAX_UNKNOWN_TYPES) return;
    this.#unknownTypes.add(type);
    const { remote: peer, logger } = this.#options;
    logger.debug({ peer, type }, 'Messages of an unknown type are skipped.');
  }

  /** What the other end did wrong counts against it; past a few times it is cut off. */
  #try(handle: () => void): void {
    const { remote: peer, logger, forgives, onFailure } = this.#options;
    try {
      handle();
    } catch (error) {
      if (!MeshError.is(error)) {
        // A fault of this end's own: the peer loses its link, not this process its life.
        logger.error({ peer, error }, 'Handling a message failed.');
        onFailure(asError(error));
        return;
      }
      this.#violations += 1;
      logger.warn({ peer, code: error.code }, error.message);
      if (!forgives() || this.#violations >= MAX_VIOLATIONS) onFailure(error);
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
