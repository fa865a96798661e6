/**
 * What byte streams on a link must do, over whatever carries the link. Framework-free, so that the cases run in Node and
 * inside a page; a case that fails throws. The far end is a `createStreamHost()`, here or elsewhere.
 */
import type { JobMessage, Link } from '../connection/link.ts';
import type { ByteStream } from '../connection/stream.ts';
import { MeshError } from '../errors.ts';
import { FIRST_STREAM_WINDOW_BYTES, MAX_STREAMS, STREAM_LOW_WATER_BYTES } from '../limits.ts';
import { JobId } from '../protocol/ids.ts';
import { readPattern, type SinkReport, textOf, writeAll, writePattern } from './stream-contract-host.ts';

export interface StreamSubject {
  /** The near end, open, each case a new one. */
  readonly link: Link;
  /** What the near end heard. */
  readonly heard: readonly JobMessage[];
  /** Waits; lets a fake's time pass meanwhile. */
  settled<Value>(promise: Promise<Value>): Promise<Value>;
}

export interface StreamCase {
  readonly rule: string;
  readonly title: string;
  run(subject: StreamSubject): Promise<void>;
}

const LARGE_BYTES = 20_000_000;

export const streamContract: readonly StreamCase[] = [
  {
    rule: 'SM1',
    title: 'opens when the other end accepts its name, and carries bytes both ways',
    async run({ link, settled }) {
      const stream = await settled(link.openStream('echo'));
      await settled(writeAll(stream, new TextEncoder().encode('Grüße')));
      stream.end();
      expectEqual(await settled(textOf(stream)), 'Grüße');
      expectEqual(await settled(stream.closed), undefined);
    },
  },
  {
    rule: 'SM2',
    title: 'one that is refused, or whose name nobody knows, does not open, and the next one does',
    async run({ link, settled }) {
      await expectRejects(settled(link.openStream('unheard-of')), 'unsupported');
      await expectRejects(settled(link.openStream('busy')), 'peer_busy');
      await expectEcho(link, settled, 10);
    },
  },
  {
    rule: 'SM3',
    title: 'an end that has ended its direction still reads',
    async run({ link, settled }) {
      const stream = await settled(link.openStream('source'));
      await settled(writeAll(stream, new TextEncoder().encode('300000')));
      stream.end();
      stream.end();
      expectThrows(() => stream.write(new Uint8Array(1)), 'closed');
      expectEqual(await settled(readPattern(stream)), { bytes: 300_000, firstWrong: null });
      expectEqual(await settled(stream.closed), undefined);
    },
  },
  {
    rule: 'SM4',
    title: 'twenty megabytes arrive whole and in order, both ways at once',
    async run({ link, settled }) {
      const [sink, source] = await settled(Promise.all([link.openStream('sink'), link.openStream('source')]));
      const [, , report, read] = await settled(
        Promise.all([
          writePattern(sink, LARGE_BYTES).then(() => sink.end()),
          writeAll(source, new TextEncoder().encode(String(LARGE_BYTES))).then(() => source.end()),
          textOf(sink),
          readPattern(source),
        ]),
      );
      expectEqual(JSON.parse(report), { bytes: LARGE_BYTES, firstWrong: null } satisfies SinkReport);
      expectEqual(read, { bytes: LARGE_BYTES, firstWrong: null });
    },
  },
  {
    rule: 'SM5',
    title: 'a reset breaks both directions off at both ends, once',
    async run({ link, settled }) {
      const stream = await settled(link.openStream('unread'));
      await settled(writePattern(stream, 100_000));
      stream.reset('no more');
      stream.reset('no more');
      stream.end();
      expectEqual((await settled(stream.closed))?.code, 'closed');
      await expectRejects(settled(stream.read()), 'closed');
      expectThrows(() => stream.write(new Uint8Array(1)), 'closed');
      expectEqual(stream.ready(), undefined);
      const broken = await settled(link.openStream('broken'));
      broken.write(new Uint8Array(1));
      await expectRejects(settled(broken.read()), 'closed');
      expectEqual((await settled(broken.closed))?.code, 'closed');
      expectEqual(await outcomesOf(link, settled), ['unread: closed', 'broken: closed']);
    },
  },
  {
    rule: 'SM6',
    title: 'aborting cancels a stream, whether it is being opened or open, and the other end hears so',
    async run({ link, settled }) {
      const early = new AbortController();
      const opening = link.openStream('echo', { signal: early.signal });
      early.abort();
      await expectRejects(settled(opening), 'cancelled');
      await expectRejects(settled(link.openStream('echo', { signal: early.signal })), 'cancelled');
      const late = new AbortController();
      const stream = await settled(link.openStream('unread', { signal: late.signal }));
      const reading = stream.read();
      late.abort();
      await expectRejects(settled(reading), 'cancelled');
      expectEqual((await settled(stream.closed))?.code, 'cancelled');
      expectEqual(await outcomesOf(link, settled), ['echo: closed', 'unread: closed']);
    },
  },
  {
    rule: 'SM7',
    title: 'a fast writer is held while the other end does not read, and goes on when it does',
    async run({ link, settled }) {
      const stream = await settled(link.openStream('unread'));
      let { held, written } = writeUntilHeld(stream);
      // What is under way is acknowledged although nobody reads it, until the window is full.
      for (let round = 0; round < 5; round += 1) {
        await expectEcho(link, settled, 100_000);
        const more = writeUntilHeld(stream);
        held = more.held;
        written += more.written;
      }
      const most = FIRST_STREAM_WINDOW_BYTES + STREAM_LOW_WATER_BYTES + PIECE_BYTES;
      if (written > most) throw new Error(`${written} bytes were taken; ${most} are enough.`);
      await expectEcho(link, settled, 500_000);
      if (held.isOver) throw new Error('The writer went on although nobody read.');
      await settled(release(link));
      await settled(held.over);
      stream.end();
      expectEqual((JSON.parse(await settled(textOf(stream))) as SinkReport).bytes, written);
    },
  },
  {
    rule: 'SM8',
    title: 'a stream that is never read holds back itself alone, not messages and not other streams',
    async run({ link, heard, settled }) {
      const unread = await settled(Promise.all(Array.from({ length: 10 }, () => link.openStream('unread'))));
      for (const stream of unread) writeUntilHeld(stream);
      const cancel: JobMessage = { type: 'job-cancel', jobId: JobId.parse('0'.repeat(32)) };
      link.send(cancel);
      // What comes back on a stream comes after the message that was sent before it.
      await expectEcho(link, settled, 2_000_000);
      expectEqual(heard, [cancel]);
      expectEqual(link.isOpen, true);
    },
  },
  {
    rule: 'SM9',
    title: 'of a thousand opened at once 64 open, the others are refused, and places come back',
    async run({ link, settled }) {
      const outcomes = await settled(Promise.allSettled(Array.from({ length: 1000 }, () => link.openStream('unread'))));
      const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      expectEqual(opened.length, MAX_STREAMS);
      const codes = outcomes.map((outcome) =>
        outcome.status === 'rejected' && MeshError.is(outcome.reason) ? outcome.reason.code : 'opened',
      );
      expectEqual(codes.filter((code) => code === 'peer_busy').length, 1000 - MAX_STREAMS);
      for (const stream of opened) stream.reset('enough');
      for (let round = 0; round < 100; round += 1) await expectEcho(link, settled, 10);
    },
  },
  {
    rule: 'SM10',
    title: 'a link that closes ends its streams, and none opens on it any more',
    async run({ link, settled }) {
      const stream = await settled(link.openStream('echo'));
      const other = await settled(link.openStream('unread'));
      const { held } = writeUntilHeld(other);
      const hangingUp = link.openStream('hang-up').catch(() => {});
      await expectRejects(settled(stream.read()), 'closed');
      await settled(held.over);
      await settled(hangingUp);
      expectEqual((await settled(stream.closed))?.code, 'closed');
      expectEqual((await settled(other.closed))?.code, 'closed');
      expectThrows(() => other.write(new Uint8Array(1)), 'closed');
      await expectRejects(settled(link.openStream('echo')), 'closed');
    },
  },
];

const PIECE_BYTES = 10_000;

/** `held.over` resolves when the writer may go on. */
function writeUntilHeld(stream: ByteStream) {
  let written = 0;
  for (;;) {
    const ready = stream.ready();
    if (ready !== undefined) {
      const held = { isOver: false, over: Promise.resolve() };
      held.over = ready.then(() => {
        held.isOver = true;
      });
      return { held, written };
    }
    stream.write(new Uint8Array(PIECE_BYTES));
    written += PIECE_BYTES;
  }
}

async function release(link: Link): Promise<void> {
  const stream = await link.openStream('release');
  stream.end();
  await stream.closed;
}

async function expectEcho(link: Link, settled: StreamSubject['settled'], bytes: number): Promise<void> {
  const stream = await settled(link.openStream('echo'));
  const [, report] = await settled(
    Promise.all([writePattern(stream, bytes).then(() => stream.end()), readPattern(stream)]),
  );
  expectEqual(report, { bytes, firstWrong: null });
}

async function outcomesOf(link: Link, settled: StreamSubject['settled']): Promise<string[]> {
  const stream = await settled(link.openStream('outcomes'));
  stream.end();
  return JSON.parse(await settled(textOf(stream))) as string[];
}

function expectEqual(actual: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`Expected ${other}, got ${one}.`);
}

async function expectRejects(promise: Promise<unknown>, code: string): Promise<void> {
  const outcome = await promise.then(
    () => 'no error',
    (error: unknown) => (MeshError.is(error) ? error.code : String(error)),
  );
  expectEqual(outcome, code);
}

function expectThrows(call: () => void, code: string): void {
  let outcome = 'no error';
  try {
    call();
  } catch (error) {
    outcome = MeshError.is(error) ? error.code : String(error);
  }
  expectEqual(outcome, code);
}
