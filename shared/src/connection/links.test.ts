/** Two members' links over the virtual network: how they come to be, end, and come back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { MAX_DIAL_ATTEMPTS } from '../limits.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Transport } from '../ports/transport.ts';
import { toFrames } from '../protocol/frames.ts';
import { JobId, type PeerId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { VirtualNetwork } from '../testing/virtual-network.ts';
import type { JobMessage, Link } from './link.ts';
import { Links } from './links.ts';

const random = createSeededRandom(7);
/** Alice's id is the smaller one, so her attempt wins when both dial. */
const [alice, bob] = [createIdentity(random), createIdentity(random)].sort((a, b) =>
  a.peerId < b.peerId ? -1 : 1,
) as [Identity, Identity];
const never = new AbortController().signal;

interface End {
  readonly links: Links;
  readonly attempts: ('dialled' | 'answered')[];
  /** Of those that it dialled. */
  readonly careful: boolean[];
  readonly opened: Link[];
  readonly closed: Link[];
  readonly received: JobMessage[];
}

let clock: ManualClock;
let network: VirtualNetwork;
/** Whom the entry reaches. */
let reachable: Map<PeerId, Links>;
let ends: End[];
/** What a description takes. */
let signalMs: number;

beforeEach(() => {
  signalMs = 1;
  clock = new ManualClock();
  network = new VirtualNetwork(clock);
  reachable = new Map();
  ends = [];
});

afterEach(async () => {
  for (const end of ends) end.links.close();
  await clock.advance(1_000);
  expect(clock.pendingTimers()).toBe(0);
});

function join(
  name: string,
  identity: Identity,
  options: { onOpen?: (link: Link) => void; wrap?: (transport: Transport) => Transport } = {},
): End {
  const transport = (options.wrap ?? ((plain: Transport) => plain))(network.join(name).transports[0]);
  const attempts: End['attempts'] = [];
  const careful: boolean[] = [];
  const opened: Link[] = [];
  const closed: Link[] = [];
  const received: JobMessage[] = [];
  const links = new Links({
    identity,
    clock,
    random,
    logger: silentLogger,
    transports: [
      {
        way: transport.way,
        open(request, handlers) {
          attempts.push(request.initiator ? 'dialled' : 'answered');
          if (request.initiator) careful.push(request.isCareful ?? false);
          return transport.open(request, handlers);
        },
      },
    ],
    hasWay: () => false,
    describe: (to, record) => clock.after(signalMs, () => reachable.get(to)?.handleDescription(record)),
    onOpen(link) {
      opened.push(link);
      options.onOpen?.(link);
    },
    onMessage: (_link, message) => received.push(message),
    onClose: (link) => closed.push(link),
  });
  const end = { links, attempts, careful, opened, closed, received };
  reachable.set(identity.peerId, links);
  ends.push(end);
  return end;
}

/** What became of a promise, without waiting for it. */
function outcomeOf<Value>(promise: Promise<Value>): { value: Value | undefined; error: unknown } {
  const outcome: { value: Value | undefined; error: unknown } = { value: undefined, error: undefined };
  promise.then(
    (value) => Object.assign(outcome, { value }),
    (error: unknown) => Object.assign(outcome, { error }),
  );
  return outcome;
}

describe('dialling', () => {
  it('LS1: gives the open link, which the other end has too; who asks again gets the same', async () => {
    const [one, other] = [join('alice', alice), join('bob', bob)];
    const first = outcomeOf(one.links.connect(bob.peerId, never));
    const second = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(50);
    expect(first.value?.isOpen).toBe(true);
    expect(second.value).toBe(first.value);
    expect(one.links.get(bob.peerId)).toBe(first.value);
    expect(other.links.get(alice.peerId)?.isOpen).toBe(true);
    expect([one.attempts, other.attempts]).toEqual([['dialled'], ['answered']]);
  });

  it('LS2: of two ends that dial at once the smaller id’s attempt goes on, and both get its link', async () => {
    const [one, other] = [join('alice', alice), join('bob', bob)];
    const outcomes = [
      outcomeOf(one.links.connect(bob.peerId, never)),
      outcomeOf(other.links.connect(alice.peerId, never)),
    ];
    await clock.advance(50);
    expect(outcomes.map(({ value }) => [value?.isOpen, value?.initiator])).toEqual([
      [true, true],
      [true, false],
    ]);
    expect([one.opened.length, other.opened.length]).toEqual([1, 1]);
  });

  it('LS3: an end that is answering a peer does not dial it as well', async () => {
    const [one, other] = [join('alice', alice), join('bob', bob)];
    network.delayMs = 20;
    one.links.want(new Set([bob.peerId]));
    await clock.advance(5);
    expect(other.attempts).toEqual(['answered']);
    other.links.want(new Set([alice.peerId]));
    const asked = outcomeOf(other.links.connect(alice.peerId, never));
    await clock.advance(200);
    expect(other.attempts).toEqual(['answered']);
    expect(asked.value).toBe(other.opened[0]);
    expect([one.closed, other.closed]).toEqual([[], []]);
  });

  it('LS4: a caller that gives up hears cancelled, whether it waits or has not begun to', async () => {
    const one = join('alice', alice);
    const controller = new AbortController();
    const waiting = outcomeOf(one.links.connect(bob.peerId, controller.signal));
    await clock.advance(5);
    controller.abort();
    const late = outcomeOf(one.links.connect(bob.peerId, controller.signal));
    await clock.advance(5);
    for (const { error } of [waiting, late]) expect(error).toMatchObject({ code: 'cancelled' });
  });

  it('LS5: a peer that does not answer is given up after one time-out: trying again is for attempts that fail', async () => {
    const one = join('alice', alice);
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(12_000);
    expect(asked.error).toMatchObject({ code: 'connection_failed', retryable: true });
  });

  it('LS6: an attempt that fails at once is made again, carefully', async () => {
    let failures = 2;
    const flaky = (transport: Transport): Transport => ({
      way: transport.way,
      open(options, handlers) {
        const channel = transport.open(options, handlers);
        if (failures > 0) clock.after(0, () => handlers.onClose(MeshError.connectionFailed('no ICE')));
        failures -= 1;
        return channel;
      },
    });
    const [one] = [join('alice', alice, { wrap: flaky }), join('bob', bob)];
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(100);
    expect(asked.value?.isOpen).toBe(true);
    expect(one.careful).toEqual([false, true, true]);
  });

  describe('a peer that offers attempt after attempt of its own', () => {
    let offers: number;
    const offer = (to: Links, payload: string) => {
      offers += 1;
      const sessionId = offers.toString(16).padStart(32, '0');
      const place = { from: alice.peerId, to: bob.peerId, sessionId, role: 'offerer', index: 0 };
      to.handleDescription(alice.sign({ type: 'session-description', ...place, payload }));
    };

    beforeEach(() => {
      offers = 0;
    });

    it('LS31: is given up when they lead nowhere', async () => {
      const { links, attempts } = join('bob', bob);
      const answer = { handleDescription: () => clock.after(1, () => offer(links, 'nonsense')) };
      reachable.set(alice.peerId, answer as unknown as Links);
      const asked = outcomeOf(links.connect(alice.peerId, never));
      await clock.advance(200);
      expect(asked.error).toMatchObject({ code: 'connection_failed', retryable: true });
      expect(attempts.filter((kind) => kind === 'dialled').length).toBeLessThanOrEqual(MAX_DIAL_ATTEMPTS + 1);
    });

    it('LS31: is given up when none of them ends before the next begins', async () => {
      const { links } = join('bob', bob);
      const transport = network.join('alice').transports[0];
      const asked = outcomeOf(links.connect(alice.peerId, never));
      for (let second = 0; second < 100; second += 5) {
        const handlers = { onSignal: (payload: string) => offer(links, payload), onOpen() {}, onMessage() {} };
        transport.open(
          { initiator: true, remote: bob.peerId, iceServers: [] },
          { ...handlers, onDrain() {}, onClose() {} },
        );
        await clock.advance(5_000);
      }
      expect(offers).toBe(20);
      expect(asked.error).toMatchObject({ code: 'connection_failed', retryable: true });
    });
  });

  it('LS7: a peer that leaves the mesh is not dialled any longer, and who waits for it hears so at once', async () => {
    const one = join('alice', alice);
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(10);
    one.links.handlePeerRemoved(bob.peerId);
    await clock.advance(10);
    expect(asked.error).toMatchObject({ retryable: true });
    expect(one.attempts).toEqual(['dialled']);
  });

  it('LS17: a peer of another protocol is a failed connection, so that its caller turns to another peer', async () => {
    const hello = { type: 'hello', protocol: 2, peerId: bob.peerId };
    const [frame] = toFrames(new TextEncoder().encode(JSON.stringify(hello)));
    if (frame === undefined) throw new Error('No frame was made.');
    const newer = (transport: Transport): Transport => ({
      way: transport.way,
      open: (options, handlers) => {
        const channel = transport.open(options, handlers);
        return { ...channel, send: () => channel.send(frame) };
      },
    });
    const [one] = [join('alice', alice), join('bob', bob, { wrap: newer })];
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(1_000);
    expect(asked.error).toMatchObject({ code: 'connection_failed', retryable: true });
  });
});

describe('an attempt that does not open at once', () => {
  /** Answers as WebRTC does, and holds back what the test wants of each attempt, in ms. */
  function staged(openMs: readonly number[], messageMs: readonly number[] = []) {
    let made = 0;
    return (transport: Transport): Transport => ({
      way: transport.way,
      open(options, handlers) {
        const attempt = made;
        made += 1;
        const later = (ms: number | undefined, call: () => void) => (ms ? clock.after(ms, call) : call());
        const channel = transport.open(options, {
          ...handlers,
          onOpen: () => later(openMs[attempt], handlers.onOpen),
          onMessage(bytes) {
            const copy = bytes.slice();
            later(messageMs[attempt], () => handlers.onMessage(copy));
          },
        });
        return {
          ...channel,
          signal(payload) {
            if (payload === 'answer') return;
            channel.signal(payload);
            handlers.onSignal('answer');
          },
        };
      },
    });
  }

  it('LS35: gets a second one beside it after 150 ms; whichever opens first stays at both ends', async () => {
    const [one, other] = [join('alice', alice, { wrap: staged([1_000]) }), join('bob', bob, { wrap: staged([]) })];
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(149);
    expect(one.attempts).toEqual(['dialled']);
    await clock.advance(12);
    expect(one.attempts).toEqual(['dialled', 'dialled']);
    expect(one.careful).toEqual([false, true]);
    expect(asked.value?.isOpen).toBe(true);
    await clock.advance(30_000);
    expect(one.links.get(bob.peerId)).toBe(asked.value);
    expect(other.links.get(alice.peerId)?.isOpen).toBe(true);
    expect([one.opened, other.opened].map(({ length }) => length)).toEqual([1, 1]);
    expect([one.closed, other.closed]).toEqual([[], []]);
  });

  it('LS35: may still be the first, and then the second one goes', async () => {
    const [one, other] = [
      join('alice', alice, { wrap: staged([160, 1_000]) }),
      join('bob', bob, { wrap: staged([160, 1_000]) }),
    ];
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(200);
    expect(one.attempts).toEqual(['dialled', 'dialled']);
    expect(asked.value?.isOpen).toBe(true);
    await clock.advance(30_000);
    expect(one.links.get(bob.peerId)).toBe(asked.value);
    expect(other.links.get(alice.peerId)?.isOpen).toBe(true);
    expect([one.opened, other.opened].map(({ length }) => length)).toEqual([1, 1]);
  });

  it('LS35: is left to the end that dialled where the other end has both', async () => {
    const [one, other] = [
      join('alice', alice, { wrap: staged([149], [5, 1_000]) }),
      join('bob', bob, { wrap: staged([149], [3]) }),
    ];
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(300);
    expect(asked.value?.isOpen).toBe(true);
    expect([one.opened, other.opened].map(({ length }) => length)).toEqual([1, 2]);
    expect(other.links.get(alice.peerId)).toBe(other.opened[1]);
    expect(other.closed).toEqual([other.opened[0]]);
    const last: JobMessage = { type: 'job-cancel', jobId: JobId.parse('0'.repeat(32)) };
    other.links.get(alice.peerId)?.send(last);
    await clock.advance(30_000);
    expect(one.received).toEqual([last]);
  });

  it('LS36: gets none before five times as long as the answer took', async () => {
    signalMs = 60;
    const [one] = [join('alice', alice, { wrap: staged([1_000]) }), join('bob', bob, { wrap: staged([]) })];
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(590);
    expect(one.attempts).toHaveLength(1);
    await clock.advance(100);
    expect(one.attempts).toHaveLength(2);
    expect(asked.value?.isOpen).toBe(true);
  });

  it('LS36: without any answer gets one after half a second, where somebody waits for the link', async () => {
    const one = join('alice', alice);
    const stranger = createIdentity(random).peerId;
    one.links.want(new Set([stranger]));
    await clock.advance(1_000);
    expect(one.attempts).toHaveLength(1);
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(1_000);
    expect(one.attempts).toHaveLength(3);
    await clock.advance(12_000);
    expect(asked.error).toMatchObject({ code: 'connection_failed' });
  });
});

describe('redialling', () => {
  it('LS9: a wanted peer that is out of reach is dialled with growing pauses, and linked when it is back', async () => {
    const one = join('alice', alice);
    one.links.want(new Set([bob.peerId]));
    await clock.advance(180_000);
    const inThreeMinutes = one.attempts.length;
    expect(inThreeMinutes).toBeGreaterThan(4);
    expect(inThreeMinutes).toBeLessThan(14);
    join('bob', bob);
    await clock.advance(45_000);
    expect(one.links.get(bob.peerId)?.isOpen).toBe(true);
  });

  it('LS10: a peer that hangs up on every link is dialled with growing pauses too', async () => {
    const one = join('alice', alice);
    join('bob', bob, { onOpen: (link) => link.close('go away') });
    one.links.want(new Set([bob.peerId]));
    await clock.advance(60_000);
    expect(one.attempts.length).toBeLessThan(20);
  });

  it('LS11: a peer that is no longer wanted keeps its link, and is not dialled again once that is gone', async () => {
    const [one, other] = [join('alice', alice), join('bob', bob)];
    one.links.want(new Set([bob.peerId]));
    await clock.advance(50);
    one.links.want(new Set());
    await clock.advance(1_000);
    expect(one.links.get(bob.peerId)?.isOpen).toBe(true);
    other.links.get(alice.peerId)?.close('done');
    await clock.advance(60_000);
    expect(one.attempts).toEqual(['dialled']);
  });
});

describe('a link', () => {
  it('LS12: of a peer that came back unnoticed takes the place of the old one, whose end is told', async () => {
    const one = join('alice', alice);
    join('bob', bob);
    one.links.want(new Set([bob.peerId]));
    await clock.advance(50);
    const old = one.links.get(bob.peerId);
    network.kill('bob');
    const again = join('bob again', bob);
    void again.links.connect(alice.peerId, never);
    await clock.advance(50);
    expect(one.links.get(bob.peerId)).not.toBe(old);
    expect(one.links.get(bob.peerId)?.isOpen).toBe(true);
    expect(one.closed).toEqual([old]);
  });

  it('LS13: that breaks while it opens is handed to nobody', async () => {
    let sent = 0;
    const breaking = (transport: Transport): Transport => ({
      way: transport.way,
      open(options, handlers) {
        const channel = transport.open(options, handlers);
        return {
          ...channel,
          send(bytes) {
            sent += 1;
            // The greeting leaves; what follows it meets a channel that the other end has closed.
            if (sent === 2) throw new Error('the data channel is closed');
            channel.send(bytes);
          },
        };
      },
    });
    const one = join('alice', alice, { wrap: breaking });
    join('bob', bob);
    const asked = outcomeOf(one.links.connect(bob.peerId, never));
    await clock.advance(1_000);
    expect(asked.value?.isOpen).toBe(true);
    expect(one.links.get(bob.peerId)?.isOpen).toBe(true);
    expect(one.opened.length - one.closed.length).toBe(1);
  });

  it('LS14: stays when the entry takes its peer for gone but the peer answers; a silent one ends within 250 ms', async () => {
    const [one] = [join('alice', alice), join('bob', bob)];
    one.links.want(new Set([bob.peerId]));
    await clock.advance(50);
    one.links.handlePeerRemoved(bob.peerId);
    await clock.advance(2_000);
    expect(one.links.get(bob.peerId)?.isOpen).toBe(true);
    network.kill('bob');
    one.links.want(new Set());
    one.links.handlePeerRemoved(bob.peerId);
    await clock.advance(250);
    expect(one.links.get(bob.peerId)).toBeUndefined();
    expect(one.closed).toHaveLength(1);
  });
});

describe('closing', () => {
  it('LS15: ends links, attempts and redials, tells who waits, and is final', async () => {
    const [one, other] = [join('alice', alice), join('bob', bob)];
    const stranger = createIdentity(random).peerId;
    one.links.want(new Set([bob.peerId, stranger]));
    await clock.advance(50);
    const waiting = outcomeOf(one.links.connect(stranger, never));
    one.links.close();
    one.links.close();
    const late = outcomeOf(one.links.connect(bob.peerId, never));
    one.links.want(new Set([bob.peerId]));
    await clock.advance(50);
    expect(waiting.error).toMatchObject({ code: 'closed' });
    expect(late.error).toMatchObject({ code: 'closed' });
    expect(one.links.get(bob.peerId)).toBeUndefined();
    expect(other.links.get(alice.peerId)).toBeUndefined();
    expect(one.attempts).toHaveLength(2);
  });

  it('LS18: waits for what was said last to arrive: WebRTC drops what is under way when a connection is closed', async () => {
    const lossy = (transport: Transport): Transport => ({
      way: transport.way,
      open(options, handlers) {
        const channel = transport.open(options, handlers);
        let closed = false;
        return {
          ...channel,
          send(bytes) {
            const copy = bytes.slice();
            clock.after(5, () => {
              if (!closed) channel.send(copy);
            });
          },
          close() {
            closed = true;
            channel.close();
          },
        };
      },
    });
    const [one, other] = [join('alice', alice, { wrap: lossy }), join('bob', bob)];
    one.links.want(new Set([bob.peerId]));
    await clock.advance(100);
    const link = one.links.get(bob.peerId);
    const last: JobMessage = { type: 'job-cancel', jobId: JobId.parse('0'.repeat(32)) };
    link?.send(last);
    one.links.close();
    expect(link?.isOpen).toBe(false);
    await clock.advance(100);
    expect(other.received).toEqual([last]);
    expect(other.links.get(alice.peerId)).toBeUndefined();
  });

  it('LS16: takes its timers along, the probe of a peer that the entry lost included', async () => {
    const [one, other] = [join('alice', alice), join('bob', bob)];
    one.links.want(new Set([bob.peerId]));
    await clock.advance(50);
    one.links.handlePeerRemoved(bob.peerId);
    one.links.close();
    other.links.close();
    await clock.advance(20);
    expect(clock.pendingTimers()).toBe(0);
  });
});
