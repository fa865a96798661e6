/**
 * The far end of the stream contract: answers streams by fixed names, so that it may run in another process or in a page.
 */
import type { JobMessage, Link } from '../connection/link.ts';
import type { ByteStream } from '../connection/stream.ts';
import type { StreamOffer } from '../connection/streams.ts';

export interface StreamHost {
  onStream(link: Link, offer: StreamOffer): void;
  /** Sends back what it hears. */
  onMessage(link: Link, message: JobMessage): void;
}

/** What a host tells of the bytes that it read. */
export interface SinkReport {
  readonly bytes: number;
  /** Place of the first byte that is not of the pattern, or null. */
  readonly firstWrong: number | null;
}

export function createStreamHost(): StreamHost {
  const unread: ByteStream[] = [];
  const outcomes: string[] = [];

  const hosts: Record<string, (stream: ByteStream, link: Link) => unknown> = {
    echo: async (stream) => {
      for await (const bytes of stream) await writeAll(stream, bytes);
      stream.end();
    },
    /** Reads all, and says what came. */
    sink,
    /** Asked in JSON for a number of bytes. */
    source: async (stream) => {
      await writePattern(stream, JSON.parse(await textOf(stream)) as number);
      stream.end();
    },
    /** Read only once somebody opens `release`. */
    unread: (stream) => unread.push(stream),
    release: (stream) => {
      for (const held of unread.splice(0)) void sink(held).catch(() => {});
      stream.end();
    },
    /** Breaks off when something comes. */
    broken: async (stream) => {
      await stream.read();
      stream.reset('the host breaks it');
    },
    /** How the streams before ended, in JSON. */
    outcomes: async (stream) => {
      await writeAll(stream, new TextEncoder().encode(JSON.stringify(outcomes)));
      stream.end();
    },
    'hang-up': (_stream, link) => link.close('the host hangs up'),
  };

  return {
    onStream(link, offer) {
      const host = hosts[offer.name];
      if (offer.name === 'busy') offer.refuse('not now', true);
      else if (host === undefined) offer.refuse('it has no use for streams of this name');
      else {
        const stream = offer.accept();
        void stream.closed.then((error) => outcomes.push(`${stream.name}: ${error?.code ?? 'ended'}`));
        // Streams that break off are what some cases are about.
        void Promise.resolve(host(stream, link)).catch(() => {});
      }
    },
    onMessage: (link, message) => link.send(message),
  };
}

export async function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length; start += WRITE_BYTES) {
    await stream.ready();
    stream.write(bytes.subarray(start, start + WRITE_BYTES));
  }
}

/** Bytes that show where they belong. */
export async function writePattern(stream: ByteStream, count: number): Promise<void> {
  for (let start = 0; start < count; start += WRITE_BYTES) {
    const bytes = new Uint8Array(Math.min(WRITE_BYTES, count - start));
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = patternAt(start + index);
    await stream.ready();
    stream.write(bytes);
  }
}

export async function readPattern(stream: ByteStream): Promise<SinkReport> {
  let count = 0;
  let firstWrong: number | null = null;
  for await (const bytes of stream) {
    for (let index = 0; index < bytes.length && firstWrong === null; index += 1) {
      if (bytes[index] !== patternAt(count + index)) firstWrong = count + index;
    }
    count += bytes.length;
  }
  return { bytes: count, firstWrong };
}

export async function textOf(stream: ByteStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of stream) text += decoder.decode(bytes, { stream: true });
  return text + decoder.decode();
}

async function sink(stream: ByteStream): Promise<void> {
  const report = await readPattern(stream);
  await writeAll(stream, new TextEncoder().encode(JSON.stringify(report)));
  stream.end();
}

const WRITE_BYTES = 48_000;

/** Neighbouring frames and windows differ, so that a lost, repeated or swapped one shows. */
function patternAt(place: number): number {
  return (place + Math.floor(place / 256) * 7 + Math.floor(place / 65_536) * 13) & 0xff;
}
