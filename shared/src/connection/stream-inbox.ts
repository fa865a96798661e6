/**
 * What came on a stream and was not read yet. The sender may send as much as this end granted, so that a stream which is
 * never read holds one window and no more.
 */
import { MeshError } from '../errors.ts';
import { FIRST_STREAM_WINDOW_BYTES, MAX_STREAM_WINDOW_BYTES } from '../limits.ts';
import { ByteQueue } from './byte-queue.ts';

export interface StreamInboxOptions {
  /** The sender may send that many bytes more. */
  grant(bytes: number): void;
  /** Whether the link has so much left for a larger window. */
  reserve(bytes: number): boolean;
}

type Reader = { resolve(bytes: Uint8Array | undefined): void; reject(error: MeshError): void };

export class StreamInbox {
  readonly #options: StreamInboxOptions;
  readonly #queue = new ByteQueue();
  #end: { readonly state: 'open' | 'ended' } | { readonly state: 'failed'; readonly error: MeshError } = {
    state: 'open',
  };
  #windowBytes = FIRST_STREAM_WINDOW_BYTES;
  #grantedBytes = FIRST_STREAM_WINDOW_BYTES;
  #readSinceGrowthBytes = 0;
  #readBytes = 0;
  #reader: Reader | undefined;

  constructor(options: StreamInboxOptions) {
    this.#options = options;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** What may still come. */
  get grantedBytes(): number {
    return this.#end.state === 'open' ? this.#grantedBytes : 0;
  }

  get unreadBytes(): number {
    return this.#queue.bytes;
  }

  /** Of the whole life. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /** Ended, and nothing is left to read. */
  get isDone(): boolean {
    return this.#end.state !== 'open' && this.#queue.bytes === 0;
  }

  /** @throws MeshError `protocol_violation` when nothing may come any more. */
  push(bytes: Uint8Array): void {
    if (this.#end.state !== 'open') throw MeshError.protocolViolation('bytes came after the end of a stream');
    if (bytes.length > this.#grantedBytes) throw MeshError.protocolViolation('a stream was sent more than its window');
    this.#grantedBytes -= bytes.length;
    const reader = this.#reader;
    if (reader === undefined) {
      this.#queue.push(bytes);
      return;
    }
    this.#reader = undefined;
    reader.resolve(bytes.slice());
    this.#handleRead(bytes.length);
  }

  /**
   * What came, in pieces of any size; undefined after the end. One call at a time.
   * @throws MeshError why the stream broke off.
   */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#reader !== undefined) throw new Error('A stream has one reader at a time.');
    if (this.#end.state === 'failed') throw this.#end.error;
    const block = this.#queue.takeBlock();
    if (block !== undefined) {
      this.#handleRead(block.length);
      return block;
    }
    if (this.#end.state === 'ended') return undefined;
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** Nothing comes any more; what came can still be read. */
  end(): void {
    if (this.#end.state !== 'open') return;
    this.#end = { state: 'ended' };
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
  }

  /** Drops what was not read. */
  fail(error: MeshError): void {
    if (this.#end.state === 'failed') return;
    this.#end = { state: 'failed', error };
    this.#queue.clear();
    this.#reader?.reject(error);
    this.#reader = undefined;
  }

  #handleRead(bytes: number): void {
    this.#readBytes += bytes;
    if (this.#end.state !== 'open') return;
    this.#readSinceGrowthBytes += bytes;
    if (
      this.#readSinceGrowthBytes >= this.#windowBytes &&
      this.#windowBytes < MAX_STREAM_WINDOW_BYTES &&
      this.#options.reserve(this.#windowBytes)
    ) {
      this.#windowBytes *= 2;
      this.#readSinceGrowthBytes = 0;
    }
    const freeBytes = this.#windowBytes - this.#grantedBytes - this.#queue.bytes;
    if (freeBytes < this.#windowBytes / 2) return;
    this.#grantedBytes += freeBytes;
    this.#options.grant(freeBytes);
  }
}
