/**
 * What every transport must do. Framework-free, so that the cases run in Node and inside a page; a case that fails throws.
 */
import { CHANNEL_HIGH_WATER_BYTES, CHANNEL_LOW_WATER_BYTES, MAX_FRAME_BYTES } from '../limits.ts';
import type { Channel, Transport } from '../ports/transport.ts';
import { PeerId } from '../protocol/ids.ts';

export interface TransportSubject {
  readonly offerer: Transport;
  readonly answerer: Transport;
  /** Lets a fake's time pass; a real transport just waits. */
  settle(): Promise<void>;
}

export interface TransportCase {
  readonly rule: string;
  readonly title: string;
  run(subject: TransportSubject): Promise<void>;
}

const SOMEBODY = PeerId.parse(`${'B'.repeat(42)}A`);

export const transportContract: readonly TransportCase[] = [
  {
    rule: 'TR1',
    title: 'two ends open from each other’s signals alone',
    async run(subject) {
      const pair = await openPair(subject);
      pair.close();
    },
  },
  {
    rule: 'TR2',
    title: 'frames arrive whole, once and in order, both ways, up to the largest',
    async run(subject) {
      const pair = await openPair(subject);
      const sizes = [1, 100, MAX_FRAME_BYTES, 2, 5_000];
      for (const [index, size] of sizes.entries()) {
        pair.offerer.channel.send(new Uint8Array(size).fill(index));
        pair.answerer.channel.send(new Uint8Array(size).fill(index + 100));
      }
      await until(subject, () => pair.offerer.received.length + pair.answerer.received.length === 2 * sizes.length);
      for (const [index, size] of sizes.entries()) {
        expectBytes(pair.answerer.received[index], size, index);
        expectBytes(pair.offerer.received[index], size, index + 100);
      }
      pair.close();
    },
  },
  {
    rule: 'TR3',
    title: 'the bytes given to send may be reused at once',
    async run(subject) {
      const pair = await openPair(subject);
      const bytes = new Uint8Array(1000).fill(7);
      pair.offerer.channel.send(bytes);
      bytes.fill(8);
      await until(subject, () => pair.answerer.received.length === 1);
      expectBytes(pair.answerer.received[0], 1000, 7);
      pair.close();
    },
  },
  {
    rule: 'TR4',
    title: 'closing one end closes the other, each is told once, and send then throws',
    async run(subject) {
      const pair = await openPair(subject);
      pair.offerer.channel.close();
      pair.offerer.channel.close();
      await until(subject, () => pair.offerer.closed + pair.answerer.closed === 2);
      await subject.settle();
      if (pair.offerer.closed !== 1 || pair.answerer.closed !== 1) throw new Error('An end was told twice.');
      let thrown = false;
      try {
        pair.offerer.channel.send(new Uint8Array(1));
      } catch {
        thrown = true;
      }
      if (!thrown) throw new Error('send did not throw on a closed channel.');
    },
  },
  {
    rule: 'TR5',
    title: 'a signal that makes no sense closes the end that got it',
    async run(subject) {
      const end = openEnd(subject.answerer, false, () => {});
      end.channel.signal('{"nonsense":true}');
      await until(subject, () => end.closed === 1);
    },
  },
  {
    rule: 'TR6',
    title: 'a hundred frames of 16 KiB go through, and the buffer empties',
    async run(subject) {
      const pair = await openPair(subject);
      const frame = new Uint8Array(16 * 1024).fill(3);
      for (let sent = 0; sent < 100; sent += 1) pair.offerer.channel.send(frame);
      await until(subject, () => pair.answerer.received.length === 100);
      await until(subject, () => pair.offerer.channel.bufferedBytes() === 0);
      pair.close();
    },
  },
  {
    rule: 'TR7',
    title: 'a channel that was filled tells, each time, when its buffer has fallen to the low mark',
    async run(subject) {
      const pair = await openPair(subject);
      const { channel, drains } = pair.offerer;
      const frame = new Uint8Array(16 * 1024);
      for (let round = 1; round <= 3; round += 1) {
        // Some transports hand over a first megabyte before anything counts as buffered, …
        while (channel.bufferedBytes() < CHANNEL_HIGH_WATER_BYTES) channel.send(frame);
        // … and tell late of a buffer that has been filled again.
        drains.length = 0;
        await until(subject, () => drains.some((bufferedBytes) => bufferedBytes <= CHANNEL_LOW_WATER_BYTES));
      }
      pair.close();
    },
  },
  {
    rule: 'TR9',
    title: 'careful attempts, each in the moment in which the one before it closes, open at the first try',
    async run(subject) {
      for (let attempt = 0; attempt < 20; attempt += 1) {
        const pair = await tryPair(subject, true);
        if (!pair.offerer.opened || !pair.answerer.opened) throw new Error(`Attempt ${attempt + 1} failed.`);
        pair.close();
      }
    },
  },
];

interface End {
  readonly channel: Channel;
  readonly received: Uint8Array[];
  /** Of each drain what was buffered then. */
  readonly drains: number[];
  opened: boolean;
  closed: number;
}

function openEnd(
  transport: Transport,
  initiator: boolean,
  onSignal: (payload: string) => void,
  isCareful = false,
): End {
  const state = { received: [] as Uint8Array[], drains: [] as number[], opened: false, closed: 0 };
  const channel: Channel = transport.open(
    { initiator, remote: SOMEBODY, iceServers: [], isCareful },
    {
      onSignal,
      onDrain: () => state.drains.push(channel.bufferedBytes()),
      onOpen: () => {
        state.opened = true;
      },
      onMessage: (bytes) => state.received.push(bytes.slice()),
      onClose: () => {
        state.closed += 1;
      },
    },
  );
  return Object.assign(state, { channel });
}

/** An attempt may fail, as it may for links, which dial again. */
const ATTEMPTS = 5;

interface Pair {
  readonly offerer: End;
  readonly answerer: End;
  close(): void;
}

async function openPair(subject: TransportSubject): Promise<Pair> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const pair = await tryPair(subject);
    if (pair.offerer.opened && pair.answerer.opened) return pair;
    pair.close();
  }
  throw new Error(`No pair came about in ${ATTEMPTS} attempts.`);
}

/** Until both ends are open, or one has closed. */
async function tryPair(subject: TransportSubject, isCareful = false): Promise<Pair> {
  const toAnswerer: string[] = [];
  const toOfferer: string[] = [];
  const offerer = openEnd(subject.offerer, true, (payload) => toAnswerer.push(payload), isCareful);
  const answerer = openEnd(subject.answerer, false, (payload) => toOfferer.push(payload));
  await until(subject, () => {
    for (const payload of toAnswerer.splice(0)) answerer.channel.signal(payload);
    for (const payload of toOfferer.splice(0)) offerer.channel.signal(payload);
    return (offerer.opened && answerer.opened) || offerer.closed + answerer.closed > 0;
  });
  return {
    offerer,
    answerer,
    close() {
      offerer.channel.close();
      answerer.channel.close();
    },
  };
}

/** Steps, not seconds: the runner's own time-out ends a case that never comes true. */
async function until(subject: TransportSubject, condition: () => boolean): Promise<void> {
  while (!condition()) await subject.settle();
}

function expectBytes(bytes: Uint8Array | undefined, size: number, value: number): void {
  if (bytes?.length !== size || bytes.some((byte) => byte !== value)) {
    throw new Error(`Expected ${size} bytes of ${value}, got ${bytes?.length} bytes of ${bytes?.[0]}.`);
  }
}
