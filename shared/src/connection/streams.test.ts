/** Byte streams over the virtual network: the contract, and what takes a clock in the hand. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  FIRST_STREAM_WINDOW_BYTES,
  MAX_STREAM_FRAME_BYTES,
  MAX_STREAM_UNSENT_BYTES,
  MAX_STREAM_WINDOWS_BYTES,
  MESSAGES_FLOW_MS,
  STREAM_OPEN_TIMEOUT_MS,
  STREAM_STALL_TIMEOUT_MS,
} from '../limits.ts';
import type { Transport } from '../ports/transport.ts';
import { JobId } from '../protocol/ids.ts';
import { openLinkPair, type TestLink } from '../testing/link-pair.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { streamContract } from '../testing/stream-contract.ts';
import { createStreamHost } from '../testing/stream-contract-host.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import type { JobMessage, Link } from './link.ts';
import type { ByteStream } from './stream.ts';
import type { StreamOffer } from './streams.ts';

const delta: JobMessage = {
  type: 'token-delta',
  jobId: JobId.parse('0'.repeat(32)),
  firstToken: 0,
  tokenCount: 1,
  text: 'word',
};

let clock: ManualClock;
let network: VirtualNetwork;
let near: TestLink;
let far: TestLink;

async function open(
  onStream?: (link: Link, offer: StreamOffer) => void,
  onMessage?: (link: Link, message: JobMessage) => void,
  nearTransport?: Transport,
): Promise<Link> {
  const pair = openLinkPair({
    transports: [nearTransport ?? network.join('alice').transports[0], network.join('bob').transports[0]],
    clock,
    random: createSeededRandom(5),
    onStream,
    onMessage,
  });
  near = pair.near;
  far = pair.far;
  return settled(near.opened);
}

/** Frames come over it one after the other. */
function line(transport: Transport, bytesPerMs: number): { transport: Transport; waitingBytes(): number } {
  let waitingBytes = 0;
  let freeMs = 0;
  const opened: Transport = {
    way: transport.way,
    open(options, handlers) {
      const channel = transport.open(options, handlers);
      return {
        signal: (payload) => channel.signal(payload),
        send(bytes) {
          const frame = bytes.slice();
          waitingBytes += frame.length;
          freeMs = Math.max(freeMs, clock.monotonicMs()) + frame.length / bytesPerMs;
          clock.after(freeMs - clock.monotonicMs(), () => {
            waitingBytes -= frame.length;
            channel.send(frame);
          });
        },
        bufferedBytes: () => channel.bufferedBytes(),
        close: () => channel.close(),
      };
    },
  };
  return { transport: opened, waitingBytes: () => waitingBytes };
}

/** Lets time pass until it is settled. */
async function settled<Value>(promise: Promise<Value>): Promise<Value> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  promise.then(over, over);
  for (let step = 0; !isOver; step += 1) {
    if (step > 60_000) throw new Error('It never comes.');
    await clock.advance(1);
  }
  return promise;
}

/** Until it ends or breaks off. */
async function readAll(stream: ByteStream, onBytes: (bytes: number) => void): Promise<void> {
  try {
    for await (const bytes of stream) onBytes(bytes.length);
  } catch {}
}

async function closeAll(): Promise<void> {
  void near.link.close('done');
  await clock.advance(2_000);
  expect(clock.pendingTimers()).toBe(0);
}

beforeEach(() => {
  clock = new ManualClock();
  network = new VirtualNetwork(clock);
});

describe('a byte stream on a virtual link', () => {
  for (const { rule, title, run } of streamContract) {
    it(`${rule}: ${title}`, async () => {
      const host = createStreamHost();
      const link = await open(host.onStream, host.onMessage);
      await run({ link, heard: near.heard, settled });
      await closeAll();
    });
  }
});

describe('a byte stream', () => {
  it('SM2: all are refused by an end that answers none', async () => {
    const link = await open();
    await expect(settled(link.openStream('echo'))).rejects.toMatchObject({ code: 'unsupported', retryable: false });
    await closeAll();
  });

  it('SM11: one that nobody answers is given up by both ends, and its late answer counts for nothing', async () => {
    const offers: StreamOffer[] = [];
    const link = await open((_link, offer) => offers.push(offer));
    const opening = settled(link.openStream('slow'));
    await expect(opening).rejects.toMatchObject({ code: 'connection_failed' });
    await clock.advance(10);
    expect(clock.monotonicMs()).toBeGreaterThan(STREAM_OPEN_TIMEOUT_MS);
    expect(() => offers[0]?.accept()).toThrow(expect.objectContaining({ code: 'closed' }));
    offers[0]?.refuse('too late');
    await closeAll();
  });

  it('SM10: none opens on a link that is lost while it is accepted', async () => {
    const offers: StreamOffer[] = [];
    const [dialling, answering] = [network.join('alice').transports[0], network.join('bob').transports[0]];
    let isLost = false;
    const breaking: typeof answering = {
      way: answering.way,
      open(options, handlers) {
        const channel = answering.open(options, handlers);
        return {
          ...channel,
          send(bytes) {
            if (isLost) throw new Error('It has gone.');
            channel.send(bytes);
          },
        };
      },
    };
    const onStream = (_link: Link, offer: StreamOffer) => offers.push(offer);
    const pair = openLinkPair({ transports: [dialling, breaking], clock, random: createSeededRandom(5), onStream });
    const asked = settled(pair.near.opened).then((link) => link.openStream('any'));
    const refused = expect(asked).rejects.toMatchObject({ code: 'connection_failed' });
    await clock.advance(100);
    isLost = true;
    expect(() => offers[0]?.accept()).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(pair.far.closedBy()).toMatchObject({ code: 'connection_failed' });
    await clock.advance(2_000);
    await refused;
    expect(clock.pendingTimers()).toBe(0);
  });

  it('SM11: bytes that were sent before the answer was given up are no violation', async () => {
    const link = await open((_link, offer) => offer.accept().write(new Uint8Array(60_000)));
    const abort = new AbortController();
    for (let round = 0; round < 20; round += 1) {
      const opening = link.openStream('eager', { signal: abort.signal });
      abort.abort();
      await expect(opening).rejects.toMatchObject({ code: 'cancelled' });
    }
    await clock.advance(100);
    expect(link.isOpen).toBe(true);
    await closeAll();
  });

  it('SM12: bytes that are under way when it is broken off are no violation', async () => {
    const streams: ByteStream[] = [];
    const link = await open((_link, offer) => streams.push(offer.accept()));
    network.delayMs = 20;
    for (let round = 0; round < 20; round += 1) {
      const stream = await settled(link.openStream('sink'));
      for (let sent = 0; sent < 6; sent += 1) stream.write(new Uint8Array(10_000));
      streams.at(-1)?.reset('not wanted');
      await clock.advance(200);
    }
    expect(far.link.isOpen).toBe(true);
    await closeAll();
  });

  it('SM13: one whose bytes nobody takes is reset after a minute, and one that moves slowly is not', async () => {
    const streams: ByteStream[] = [];
    const link = await open((_link, offer) => streams.push(offer.accept()));
    const [dead, slow] = [await settled(link.openStream('dead')), await settled(link.openStream('slow'))];
    for (const stream of [dead, slow]) stream.write(new Uint8Array(4 * FIRST_STREAM_WINDOW_BYTES));
    for (let round = 0; round < 4; round += 1) {
      await clock.advance(STREAM_STALL_TIMEOUT_MS / 2);
      // Half of a window: the writer hears of it.
      for (let read = 0; read < FIRST_STREAM_WINDOW_BYTES / 2; ) {
        read += (await streams[1]?.read())?.length ?? Number.NaN;
        await clock.advance(10);
      }
    }
    await expect(dead.closed).resolves.toMatchObject({ code: 'closed', message: expect.stringContaining('60 s') });
    await expect(streams[0]?.closed).resolves.toMatchObject({ code: 'closed' });
    expect(slow.ready()).toBeUndefined();
    slow.write(new Uint8Array(1));
    await closeAll();
  });

  it('SM14: a message that is sent beside full streams leaves before what waits of them', async () => {
    const order: string[] = [];
    const link = await open(
      (_link, offer) => {
        void readAll(offer.accept(), (bytes) => order.push(`${bytes} bytes`));
      },
      () => order.push('message'),
    );
    const stream = await settled(link.openStream('bulk'));
    stream.write(new Uint8Array(500_000));
    link.send({ type: 'job-cancel', jobId: JobId.parse('0'.repeat(32)) });
    await clock.advance(200);
    // Two frames were on their way.
    expect(order.indexOf('message')).toBe(2);
    expect(order.length).toBeGreaterThan(15);
    await closeAll();
  });

  it('SM15: streams that have bytes to send take turns', async () => {
    const order: string[] = [];
    const link = await open((_link, offer) => void readAll(offer.accept(), () => order.push(offer.name)));
    const names = ['one', 'two', 'three'];
    const streams = await settled(Promise.all(names.map((name) => link.openStream(name))));
    for (const stream of streams) stream.write(new Uint8Array(200_000));
    await clock.advance(200);
    expect(order.length).toBeGreaterThan(18);
    // The first one had two frames on their way before the others had any; windows end at different moments.
    for (let sent = 6; sent <= 18; sent += 6) {
      const counts = names.map((name) => order.slice(0, sent).filter((one) => one === name).length);
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(sent / 6);
    }
    await closeAll();
  });

  it('SM16: the windows of streams that are read grow, up to what a link has for all', async () => {
    const receivers: ByteStream[] = [];
    const link = await open((_link, offer) => receivers.push(offer.accept()));
    const windows: number[] = [];
    for (let index = 0; index < 12; index += 1) {
      const stream = await settled(link.openStream('read'));
      const receiver = receivers[index];
      if (receiver === undefined) throw new Error('Nothing was accepted.');
      let written = 0;
      let read = 0;
      const fill = async () => {
        for (let rounds = 0; rounds < 40; rounds += 1) {
          for (; stream.ready() === undefined; written += 32_000) stream.write(new Uint8Array(32_000));
          await clock.advance(10);
        }
      };
      // Enough for every step, …
      while (read < 1_500_000) {
        if (stream.ready() === undefined) await fill();
        read += (await settled(receiver.read()))?.length ?? 0;
      }
      // … and then nothing is read.
      await fill();
      windows.push(written - read);
    }
    const inKib = windows.map((bytes) => Math.round(bytes / 1024));
    // What waits at the sender comes on top, 64 KiB and a write; up to half of a window may not be granted yet.
    expect(inKib.slice(0, 8).every((kib) => kib >= 512 && kib <= 1024 + 96)).toBe(true);
    expect(inKib.slice(8).map((kib) => kib <= 512 + 96)).toEqual([true, true, true, true]);
    expect(inKib.at(-1)).toBeLessThanOrEqual(64 + 96);
    expect(windows.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(MAX_STREAM_WINDOWS_BYTES);
    await closeAll();
  });

  it('SM28: beside messages, sent or come, less of a stream waits on the line, and more again when those have stopped', async () => {
    const host = createStreamHost();
    const { transport, waitingBytes } = line(network.join('alice').transports[0], 1_000);
    const link = await open(host.onStream, undefined, transport);
    const stream = await settled(link.openStream('sink'));
    /** On average, while the stream always has something to send. */
    const bytesBefore = async (eachTenMs: () => void) => {
      let sum = 0;
      for (let ms = 0; ms < 1_000; ms += 1) {
        while (stream.ready() === undefined) stream.write(new Uint8Array(32_000));
        await clock.advance(1);
        if (ms % 10 === 0) eachTenMs();
        if (ms >= 500) sum += waitingBytes();
      }
      return sum / 500;
    };
    const alone = await bytesBefore(() => {});
    expect(alone).toBeGreaterThan(MAX_STREAM_FRAME_BYTES);
    expect(await bytesBefore(() => link.send(delta))).toBeLessThan(0.8 * alone);
    expect(await bytesBefore(() => {})).toBeCloseTo(alone, -4);
    expect(await bytesBefore(() => far.link.send(delta))).toBeLessThan(0.8 * alone);
    stream.reset('it was enough');
    await closeAll();
  });

  it('SM29: beside messages, sent or come, a stream rests after each acknowledgement, and not when those have stopped', async () => {
    const host = createStreamHost();
    const { transport } = line(network.join('alice').transports[0], 20_000);
    const link = await open(host.onStream, undefined, transport);
    const stream = await settled(link.openStream('sink'));
    let written = 0;
    const bytesIn = async (ms: number, eachTenMs: () => void) => {
      const before = written;
      for (let passed = 0; passed < ms; passed += 1) {
        for (; stream.ready() === undefined; written += 32_000) stream.write(new Uint8Array(32_000));
        if (passed % 10 === 0) eachTenMs();
        await clock.advance(1);
      }
      return written - before;
    };
    const alone = await bytesIn(300, () => {});
    const besideSent = await bytesIn(300, () => link.send(delta));
    const besideCome = await bytesIn(300, () => far.link.send(delta));
    expect(besideSent).toBeLessThan(0.7 * alone);
    expect(besideCome).toBeLessThan(0.7 * alone);
    expect(besideSent).toBeGreaterThan(0);
    await bytesIn(MESSAGES_FLOW_MS, () => {});
    expect(await bytesIn(300, () => {})).toBeGreaterThan(0.7 * alone);
    stream.reset('it was enough');
    await closeAll();
  });

  it('SM17: a write that would pass the limit is refused, and nothing is lost', async () => {
    const host = createStreamHost();
    const link = await open(host.onStream);
    const stream = await settled(link.openStream('sink'));
    stream.write(new Uint8Array(MAX_STREAM_UNSENT_BYTES));
    const tooMuch = new Uint8Array(FIRST_STREAM_WINDOW_BYTES + 1);
    expect(() => stream.write(tooMuch)).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
    expect(stream.ready()).toBeInstanceOf(Promise);
    stream.end();
    const bytes = await settled(stream.read());
    expect(JSON.parse(new TextDecoder().decode(bytes))).toMatchObject({ bytes: MAX_STREAM_UNSENT_BYTES });
    await closeAll();
  });
});
