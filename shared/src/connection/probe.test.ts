/** A peer that the entry takes for gone, on a line that the bytes of a stream fill. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CHANNEL_LOW_WATER_BYTES, SILENCE_TIMEOUT_MS } from '../limits.ts';
import type { Transport } from '../ports/transport.ts';
import { openLinkPair, type TestLink } from '../testing/link-pair.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import type { ByteStream } from './stream.ts';

/** What a household sends. */
const BYTES_PER_MS = 100;

let clock: ManualClock;
let network: VirtualNetwork;
let near: TestLink;
let far: TestLink;
let readBytes: number;

/** Sends one frame after the other, each as long as it takes. */
function slow(transport: Transport): Transport {
  return {
    way: transport.way,
    open(options, handlers) {
      const channel = transport.open(options, handlers);
      let queuedBytes = 0;
      let freeAtMs = 0;
      const send = (bytes: Uint8Array) => {
        const frame = bytes.slice();
        const nowMs = clock.monotonicMs();
        queuedBytes += frame.length;
        freeAtMs = Math.max(nowMs, freeAtMs) + frame.length / BYTES_PER_MS;
        clock.after(freeAtMs - nowMs, () => {
          const wasFull = queuedBytes > CHANNEL_LOW_WATER_BYTES;
          queuedBytes -= frame.length;
          try {
            channel.send(frame);
          } catch {
            return;
          }
          if (wasFull && queuedBytes <= CHANNEL_LOW_WATER_BYTES) handlers.onDrain();
        });
      };
      return { ...channel, send, bufferedBytes: () => queuedBytes };
    },
  };
}

async function read(stream: ByteStream): Promise<void> {
  try {
    for await (const bytes of stream) readBytes += bytes.length;
  } catch {}
}

beforeEach(async () => {
  clock = new ManualClock();
  network = new VirtualNetwork(clock);
  network.delayMs = 10;
  readBytes = 0;
  const pair = openLinkPair({
    transports: [slow(network.join('alice').transports[0]), slow(network.join('bob').transports[0])],
    clock,
    random: createSeededRandom(6),
    onStream: (_link, offer) => void read(offer.accept()),
  });
  near = pair.near;
  far = pair.far;
  await clock.advance(3_000);
  const opening = near.link.openStream('bulk');
  await clock.advance(200);
  const stream = await opening;
  stream.write(new Uint8Array(1_000_000));
  await clock.advance(2_000);
  expect(readBytes).toBeGreaterThan(100_000);
});

describe('a peer that the entry takes for gone while a stream fills a slow line', () => {
  it('LS32: keeps its link when it is there, whichever end sends the stream', async () => {
    for (let probes = 0; probes < 20; probes += 1) {
      near.link.probe();
      far.link.probe();
      await clock.advance(313);
    }
    await clock.advance(1_000);
    expect([near.closedBy(), far.closedBy()]).toEqual([undefined, undefined]);
  });

  it('LS32: has lost its link long before it counts as silent when it is not', async () => {
    network.partition('alice', 'bob');
    near.link.probe();
    far.link.probe();
    await clock.advance(SILENCE_TIMEOUT_MS / 8);
    for (const { closedBy } of [near, far]) expect(closedBy()).toMatchObject({ code: 'connection_failed' });
  });
});
