/** A link against an end that keeps to no rule. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import { MAX_PACKED_MESSAGES, MAX_STREAM_FRAME_BYTES, MAX_VIOLATIONS } from '../limits.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Channel } from '../ports/transport.ts';
import { PACKED_FRAMES } from '../protocol/capabilities.ts';
import { decodePeerMessage } from '../protocol/decode.ts';
import { FrameAssembler, kindOfFrame, packFrame, readPack, toFrames } from '../protocol/frames.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import { type JobMessage, Link, type LinkOptions } from './link.ts';

const random = createSeededRandom(3);
const alice = createIdentity(random).peerId;
const mallory = createIdentity(random).peerId;
const hello = { type: 'hello', protocol: 1, peerId: mallory };
const cancel = { type: 'job-cancel', jobId: '00112233445566778899aabbccddeeff' };

let clock: ManualClock;
let network: VirtualNetwork;
let linkOptions: LinkOptions;
let link: Link;
let channel: Channel;
let heard: string[];
/** The types of the messages in each frame. */
let frames: string[][];
let received: JobMessage[];
let closed: { error: Error | undefined }[];
let debugLines: unknown[];

const say = (message: unknown) => sendBytes(new TextEncoder().encode(JSON.stringify(message)));
function sendBytes(bytes: Uint8Array) {
  for (const frame of toFrames(bytes)) channel.send(frame);
}

beforeEach(async () => {
  clock = new ManualClock();
  network = new VirtualNetwork(clock);
  heard = [];
  received = [];
  closed = [];
  debugLines = [];
  frames = [];
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
        const whole = kindOfFrame(frame) === 'pack' ? readPack(frame) : [assembler.push(frame)];
        const types = whole.flatMap((bytes) => (bytes === undefined ? [] : [decodePeerMessage(bytes).type]));
        frames.push(types);
        heard.push(...types);
      },
      onDrain: () => {},
      onClose: () => heard.push('closed'),
    },
  );
  linkOptions = {
    transport: network.join('alice').transports[0],
    initiator: false,
    iceServers: [],
    self: alice,
    remote: mallory,
    clock,
    logger: { ...silentLogger, debug: (fields) => debugLines.push(fields) },
    onSignal: () => {},
    onOpen: () => {},
    onMessage: (_link, message) => received.push(message),
    onClose: (_link, error) => closed.push({ error }),
  };
  link = new Link(linkOptions);
  await clock.advance(1);
  link.signal(offer);
  await clock.advance(5);
});

async function greeted(capabilities: readonly string[] = []) {
  say({ ...hello, capabilities });
  await clock.advance(5);
  expect(link.isOpen).toBe(true);
}

describe('a link', () => {
  it('LK1: opens once both ends have said hello, and passes on what comes then', async () => {
    expect(link.isOpen).toBe(false);
    await greeted();
    say(cancel);
    await clock.advance(5);
    expect(received).toEqual([cancel]);
    expect(heard).toContain('hello');
  });

  it.each([
    ['another message first', cancel],
    ['another protocol', { ...hello, protocol: 2 }],
    ['another peer’s id', { ...hello, peerId: alice }],
    ['no id at all', { type: 'hello', protocol: 1 }],
  ])('LK2: a greeting with %s closes it', async (_name, message) => {
    say(message);
    await clock.advance(5);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'protocol_violation' }) }]);
    expect(received).toEqual([]);
  });

  it('LK11: a hello that comes before this end’s own channel says that it is open is not lost', async () => {
    let deliver: (frame: Uint8Array) => void = () => {};
    let open: () => void = () => {};
    const sent: string[] = [];
    let isOpen = false;
    const late = new Link({
      ...linkOptions,
      transport: {
        way: 'held',
        open: (_options, handlers) => {
          deliver = handlers.onMessage;
          open = handlers.onOpen;
          return {
            signal: () => {},
            send: (bytes) => {
              if (!isOpen) throw new Error('not open');
              sent.push(new TextDecoder().decode(bytes.subarray(1)));
            },
            bufferedBytes: () => 0,
            close: () => {},
          };
        },
      },
    });
    for (const frame of toFrames(new TextEncoder().encode(JSON.stringify(hello)))) deliver(frame);
    expect(late.isOpen).toBe(false);
    isOpen = true;
    open();
    expect(late.isOpen).toBe(true);
    expect(sent.map((text) => (JSON.parse(text) as { type: string }).type)).toEqual(['hello', 'ping']);
    late.close('done');
  });

  const jobCancel = (digit: string, length = 0) =>
    ({ type: 'job-cancel', jobId: digit.repeat(32), padding: 'x'.repeat(length) }) as unknown as JobMessage;

  it('LK14: packs what is said within one turn into one frame, for an end that takes such frames', async () => {
    await greeted([PACKED_FRAMES]);
    frames = [];
    for (const digit of '123') link.send(jobCancel(digit));
    expect(link.isOpen).toBe(true);
    await clock.advance(5);
    link.send(jobCancel('4'));
    await clock.advance(5);
    expect(frames).toEqual([['job-cancel', 'job-cancel', 'job-cancel'], ['job-cancel']]);

    frames = [];
    // Too long to share a frame, too long together, too many.
    link.send(jobCancel('5'));
    link.send(jobCancel('6', MAX_STREAM_FRAME_BYTES));
    for (let half = 0; half < 3; half += 1) link.send(jobCancel('7', MAX_STREAM_FRAME_BYTES / 2));
    for (let count = 0; count < MAX_PACKED_MESSAGES; count += 1) link.send(jobCancel('8'));
    void link.close('done');
    await clock.advance(5);
    expect(frames.map((types) => types.length)).toEqual([1, 1, 1, 1, MAX_PACKED_MESSAGES, 2]);
    expect(frames.at(-1)).toEqual(['job-cancel', 'goodbye']);
  });

  it('LK14: has a frame for each message where the other end did not announce packed ones', async () => {
    await greeted();
    frames = [];
    for (const digit of '123') link.send(jobCancel(digit));
    await clock.advance(5);
    expect(frames).toEqual([['job-cancel'], ['job-cancel'], ['job-cancel']]);
  });

  it('LK15: takes each message of a frame for itself, and none behind one that closes it', async () => {
    await greeted();
    const pack = (...messages: unknown[]) =>
      channel.send(packFrame(messages.map((message) => new TextEncoder().encode(JSON.stringify(message)))));
    pack(cancel, { type: 'job-cancel' }, cancel);
    await clock.advance(5);
    expect(received).toEqual([cancel, cancel]);
    channel.send(Uint8Array.of(4, 0, 9, 1));
    pack({ type: 'goodbye', reason: 'done' }, cancel);
    await clock.advance(5);
    expect(received).toEqual([cancel, cancel]);
    expect(closed).toEqual([{ error: undefined }]);
  });

  it('LK15: is cut off after a few nonsenses in one frame', async () => {
    await greeted();
    channel.send(packFrame(Array.from({ length: MAX_VIOLATIONS + 1 }, () => Uint8Array.of(7))));
    await clock.advance(5);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'protocol_violation' }) }]);
  });

  it('LK3: an end that never greets is given up', async () => {
    await clock.advance(11_000);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'connection_failed' }) }]);
  });

  it.each([
    ['is malformed', { type: 'job-cancel', jobId: 'no-id' }],
    ['is unknown', { type: 'self-destruct' }],
    ['is a second hello', hello],
    ['is not an object', [1, 2, 3]],
  ])('LK4: a message that %s is dropped, and the next good one gets through', async (_name, message) => {
    await greeted();
    say(message);
    sendBytes(Uint8Array.of(0xff, 0xfe));
    say(cancel);
    await clock.advance(5);
    expect(link.isOpen).toBe(true);
    expect(received).toEqual([cancel]);
  });

  it('LK5: an end that goes on sending nonsense is cut off', async () => {
    await greeted();
    for (let sent = 0; sent < 8; sent += 1) say({ type: 'ping', id: 'nonsense' });
    await clock.advance(5);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'protocol_violation' }) }]);
  });

  it('WR12: messages of types that it does not know are skipped, however many, before it opens and after', async () => {
    say({ type: 'greeting-card', from: 'tomorrow' });
    await greeted();
    for (let sent = 0; sent < 1_000; sent += 1) say({ type: `news-${sent % 40}`, sent });
    say(cancel);
    await clock.advance(5);
    expect(link.isOpen).toBe(true);
    expect(received).toEqual([cancel]);
    const types = ['greeting-card', ...Array.from({ length: 15 }, (_, index) => `news-${index}`)];
    expect(debugLines).toEqual(types.map((type) => ({ peer: mallory, type })));
  });

  it.each([
    ['a list', ['greeting-card']],
    ['no type', { card: 'greeting' }],
    ['a type of no letters', { type: '' }],
    ['a type of a hundred letters', { type: 'x'.repeat(100) }],
    ['a type that is a number', { type: 7 }],
  ])('WR12: eight times %s is nonsense, of whatever version', async (_name, message) => {
    await greeted();
    for (let sent = 0; sent < 8; sent += 1) say(message);
    await clock.advance(5);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'protocol_violation' }) }]);
  });

  it('WR11: tells what the other end said that it can do, and nothing that is no name', async () => {
    expect(link.can('streams')).toBe(false);
    say({ ...hello, capabilities: ['streams', 7, '', 'x'.repeat(65), null, ['teleport']] });
    await clock.advance(5);
    expect(link.isOpen).toBe(true);
    expect(['streams', 'teleport', '', '7'].map((name) => link.can(name))).toEqual([true, false, false, false]);
  });

  it('LK6: a message longer than the limit closes it before it is put together', async () => {
    await greeted();
    sendBytes(new Uint8Array(1_100_000));
    await clock.advance(5);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'protocol_violation' }) }]);
  });

  it('LK7: is closed when the other end falls silent', async () => {
    await greeted();
    await clock.advance(9_000);
    expect(closed).toEqual([{ error: expect.objectContaining({ code: 'connection_failed' }) }]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('LK8: holds the producer back while the other end does not read, and lets it go on after', async () => {
    await greeted();
    network.delayMs = 1_000;
    const text = 'x'.repeat(30_000);
    const delta = {
      type: 'token-delta' as const,
      jobId: '00112233445566778899aabbccddeeff' as never,
      firstToken: 0,
      tokenCount: 1,
      text,
    };
    while (link.ready() === undefined) link.send(delta);
    let released = false;
    void link.ready()?.then(() => {
      released = true;
    });
    await clock.advance(500);
    expect(released).toBe(false);
    await clock.advance(2_500);
    expect(released).toBe(true);
  });

  it('LK9: a producer that does not wait is cut off before memory fills', async () => {
    await greeted();
    network.delayMs = 5_000;
    const text = 'x'.repeat(500_000);
    const delta = {
      type: 'token-delta' as const,
      jobId: '00112233445566778899aabbccddeeff' as never,
      firstToken: 0,
      tokenCount: 1,
      text,
    };
    expect(() => {
      for (let sent = 0; sent < 40; sent += 1) link.send(delta);
    }).toThrow(expect.objectContaining({ code: 'closed' }));
    await clock.advance(6_000);
    expect(closed).toHaveLength(1);
  });

  it('LK10: says goodbye when it closes, once', async () => {
    await greeted();
    link.close('done');
    link.close('done');
    // Mallory does not hang up.
    await clock.advance(1_010);
    expect(heard.filter((type) => type === 'goodbye' || type === 'closed')).toEqual(['goodbye', 'closed']);
    expect(closed).toEqual([{ error: undefined }]);
  });
});
