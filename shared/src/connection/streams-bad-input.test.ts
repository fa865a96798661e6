/** Byte streams with an end that keeps to no rule. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { FIRST_STREAM_WINDOW_BYTES, MAX_FRAME_BYTES, MAX_STREAMS, MAX_VIOLATIONS } from '../limits.ts';
import type { Channel } from '../ports/transport.ts';
import { STREAMS } from '../protocol/capabilities.ts';
import { decodePeerMessage } from '../protocol/decode.ts';
import {
  FrameAssembler,
  kindOfFrame,
  readStreamAck,
  streamAckFrame,
  streamDataFrame,
  toFrames,
} from '../protocol/frames.ts';
import type { PeerMessage } from '../protocol/messages.ts';
import { openTestLink, type TestLink } from '../testing/link-pair.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import type { ByteStream } from './stream.ts';

const random = createSeededRandom(9);
const alice = createIdentity(random).peerId;
const mallory = createIdentity(random).peerId;
const hello = { type: 'hello', protocol: 1, peerId: mallory };
const windowBytes = FIRST_STREAM_WINDOW_BYTES;

let clock: ManualClock;
/** Alice's end; Mallory dialled, so Mallory's streams have odd numbers. */
let end: TestLink;
let channel: Channel;
let heard: PeerMessage[];
let acknowledgedBytes: number;
let accepted: ByteStream[];

const say = (message: unknown) => {
  for (const frame of toFrames(new TextEncoder().encode(JSON.stringify(message)))) channel.send(frame);
};
const open = (streamId: number) => say({ type: 'stream-open', streamId, name: 'any', windowBytes });
const data = (streamId: number, bytes: number) => channel.send(streamDataFrame(streamId, bytes).frame);
const heardOf = (type: PeerMessage['type']) => heard.filter((message) => message.type === type);

beforeEach(async () => {
  clock = new ManualClock();
  const network = new VirtualNetwork(clock);
  heard = [];
  acknowledgedBytes = 0;
  accepted = [];
  const assembler = new FrameAssembler();
  let offer = '';
  channel = network.join('mallory').transports[0].open(
    { initiator: true, remote: alice, iceServers: [] },
    {
      onSignal: (payload) => {
        offer = payload;
      },
      onOpen: () => {},
      onMessage: (frame) => {
        if (kindOfFrame(frame) === 'stream-ack') acknowledgedBytes += readStreamAck(frame);
        if (kindOfFrame(frame) !== 'message') return;
        const bytes = assembler.push(frame);
        const message = bytes && decodePeerMessage(bytes);
        if (message !== undefined && message.type !== 'unknown') heard.push(message);
      },
      onDrain: () => {},
      onClose: () => {},
    },
  );
  end = openTestLink({
    transport: network.join('alice').transports[0],
    initiator: false,
    self: alice,
    remote: mallory,
    clock,
    signal: () => {},
    onStream: (_link, asked) => {
      if (asked.name === 'any') accepted.push(asked.accept());
    },
  });
  await clock.advance(1);
  end.link.signal(offer);
  await clock.advance(5);
});

afterEach(async () => {
  void end.link.close('done');
  await clock.advance(2_000);
  expect(clock.pendingTimers()).toBe(0);
});

async function greeted(capabilities: string[] | undefined = [STREAMS]): Promise<void> {
  say(capabilities.length === 0 ? hello : { ...hello, capabilities });
  await clock.advance(5);
  expect(end.link.isOpen).toBe(true);
}

/** Still open, and opens streams as ever. */
async function expectUnharmed(streamId: number): Promise<void> {
  const before = heardOf('stream-accept').length;
  open(streamId);
  await clock.advance(10);
  expect(end.link.isOpen).toBe(true);
  expect(heardOf('stream-accept').length).toBe(before + 1);
}

describe('a peer that does not know streams', () => {
  it('SM18: is asked for none, and hears nothing of them', async () => {
    await greeted([]);
    await expect(end.link.openStream('any')).rejects.toMatchObject({ code: 'unsupported' });
    await clock.advance(10);
    expect(heard.filter(({ type }) => type.startsWith('stream-'))).toEqual([]);
  });

  it('SM18: and opens one all the same, or announced it and never answers, harms nobody', async () => {
    await greeted([]);
    open(1);
    await clock.advance(10);
    expect(accepted).toEqual([]);
    expect(end.link.isOpen).toBe(true);
  });
});

describe('an end that keeps to no rule', () => {
  it('SM19: sends bytes of streams that nobody opened: they are dropped, and too many cut it off', async () => {
    await greeted();
    for (let sent = 0; sent < MAX_VIOLATIONS - 1; sent += 1) data(1 + sent, 100);
    await clock.advance(10);
    await expectUnharmed(1001);
    data(999, 100);
    await clock.advance(10);
    expect(end.closedBy()).toMatchObject({ code: 'protocol_violation' });
  });

  it.each([
    ['an empty frame', () => channel.send(Uint8Array.of(2, 0, 0, 0, 1))],
    ['a frame without a whole number', () => channel.send(Uint8Array.of(2, 0, 0))],
    ['a short acknowledgement', () => channel.send(Uint8Array.of(3, 1))],
    ['an acknowledgement of what was never sent', () => channel.send(streamAckFrame(1))],
    ['an answer to what was never asked', () => say({ type: 'stream-accept', streamId: 2, windowBytes })],
    ['a window of a stream that never was', () => say({ type: 'stream-window', streamId: 8, bytes: 5 })],
    ['an opening with a number of the other end', () => open(2)],
    ['a window too small for a frame', () => say({ type: 'stream-open', streamId: 3, name: 'any', windowBytes: 10 })],
    ['a name without end', () => say({ type: 'stream-open', streamId: 3, name: 'x'.repeat(65), windowBytes })],
  ])('SM20: sends %s, which counts against it', async (_name, send) => {
    await greeted();
    for (let sent = 0; sent < MAX_VIOLATIONS - 1; sent += 1) send();
    await clock.advance(10);
    expect(accepted).toEqual([]);
    await expectUnharmed(1001);
    send();
    await clock.advance(10);
    expect(end.closedBy()).toMatchObject({ code: 'protocol_violation' });
  });

  it('SM20: opens a stream twice, or with a lower number than before', async () => {
    await greeted();
    for (const streamId of [7, 7, 5, 1]) open(streamId);
    await clock.advance(10);
    expect(accepted).toHaveLength(1);
    await expectUnharmed(9);
  });

  it('SM21: speaks of streams that are over, which changes nothing', async () => {
    await greeted();
    open(1);
    await clock.advance(10);
    accepted[0]?.reset('enough');
    for (let round = 0; round < 20; round += 1) {
      say({ type: 'stream-window', streamId: 1, bytes: 1_000 });
      say({ type: 'stream-end', streamId: 1 });
      say({ type: 'stream-reset', streamId: 1, reason: 'again' });
      say({ type: 'stream-refuse', streamId: 1, reason: 'again', retryable: false });
      say({ type: 'stream-accept', streamId: 1, windowBytes });
    }
    await clock.advance(10);
    await expectUnharmed(3);
  });

  it('SM22: sends more than a window: that stream is reset, and it counts against the sender', async () => {
    await greeted();
    open(1);
    open(3);
    await clock.advance(10);
    for (let sent = 0; sent < FIRST_STREAM_WINDOW_BYTES; sent += 32_000) data(1, 32_000);
    await clock.advance(10);
    expect(heardOf('stream-reset')).toMatchObject([{ streamId: 1 }]);
    await expect(accepted[0]?.closed).resolves.toMatchObject({ code: 'closed' });
    await expect(accepted[0]?.read()).rejects.toMatchObject({ code: 'closed' });
    data(3, 10);
    await clock.advance(10);
    expect((await accepted[1]?.read())?.length).toBe(10);
    // All that came is acknowledged, wanted or not, in steps of 16 KiB.
    expect(acknowledgedBytes).toBeGreaterThan(3 * 32_000 - 16 * 1024);
    for (let round = 0; round < MAX_VIOLATIONS; round += 1) data(1, MAX_FRAME_BYTES - 5);
    await clock.advance(10);
    expect(end.closedBy()).toMatchObject({ code: 'protocol_violation' });
  });

  it('SM22: sends bytes after it ended a stream', async () => {
    await greeted();
    open(1);
    await clock.advance(10);
    say({ type: 'stream-end', streamId: 1 });
    data(1, 10);
    await clock.advance(10);
    await expect(accepted[0]?.closed).resolves.toMatchObject({ code: 'closed' });
    await expectUnharmed(3);
  });

  it('SM23: opens thousands: sixty-four are held, the others refused, and nothing is left of them', async () => {
    await greeted();
    const timersBefore = clock.pendingTimers();
    for (let index = 0; index < 3_000; index += 1) open(1 + 2 * index);
    await clock.advance(20);
    expect(accepted).toHaveLength(MAX_STREAMS);
    expect(heardOf('stream-refuse')).toHaveLength(3_000 - MAX_STREAMS);
    expect(heardOf('stream-refuse')[0]).toMatchObject({ retryable: true });
    expect(clock.pendingTimers()).toBeLessThan(timersBefore + 5);
    accepted[0]?.reset('enough');
    await expectUnharmed(10_001);
  });

  it('SM23: opens thousands that nobody answers: they are refused in the end', async () => {
    await greeted();
    for (let index = 0; index < 1_000; index += 1) {
      say({ type: 'stream-open', streamId: 1 + 2 * index, name: 'unanswered', windowBytes });
    }
    for (let round = 0; round < 6; round += 1) {
      await clock.advance(2_000);
      say({ type: 'ping', id: 1 });
    }
    expect(heardOf('stream-refuse')).toHaveLength(1_000);
    expect(end.link.isOpen).toBe(true);
  });

  it('LK12: sends frames of an unknown kind: they are skipped, and too many cut it off', async () => {
    await greeted();
    for (let sent = 0; sent < MAX_VIOLATIONS - 1; sent += 1) channel.send(Uint8Array.of(200, 1, 2, 3));
    await clock.advance(10);
    await expectUnharmed(1);
    channel.send(Uint8Array.of(4));
    await clock.advance(10);
    expect(end.closedBy()).toMatchObject({ code: 'protocol_violation' });
  });

  it('SM20: sends bytes before its hello', async () => {
    data(1, 10);
    await clock.advance(10);
    expect(end.closedBy()).toMatchObject({ code: 'protocol_violation' });
  });
});
