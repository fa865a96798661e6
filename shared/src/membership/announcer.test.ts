/** How often and in what order a member tells of itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../identity/identity.ts';
import type { ServedModel, SignedRecord } from '../protocol/announcement.ts';
import { decodeAnnouncement } from '../protocol/decode.ts';
import { ClassId, ModelId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { Announcer } from './announcer.ts';
import { EntryTime } from './entry-time.ts';

const identity = createIdentity(createSeededRandom(21));
const model: ServedModel = {
  id: ModelId.parse('mesh-tiny'),
  classId: ClassId.parse('0'.repeat(32)),
  family: 'llama.cpp',
  backend: 'test',
  contextTokens: 1024,
  slots: 1,
  inFlight: 0,
  queued: 0,
  sizeBytes: 1,
  features: [],
  measured: null,
  baseline: null,
};

let clock: ManualClock;
let models: ServedModel[];
let capabilities: string[];
let sent: { atMs: number; record: SignedRecord }[];
let announcer: Announcer;

beforeEach(() => {
  clock = new ManualClock();
  models = [model];
  capabilities = ['teleport'];
  sent = [];
  announcer = announce(clock);
});

afterEach(() => {
  announcer.stop();
  announcer.stop();
  expect(clock.pendingTimers()).toBe(0);
});

function announce(onClock: ManualClock): Announcer {
  return new Announcer({
    identity,
    kind: 'native',
    version: '0.1.0',
    clock: onClock,
    state: () => 'ready',
    models: () => models,
    links: () => [],
    capabilities: () => capabilities,
    send: () => sent.push({ atMs: onClock.monotonicMs(), record: announcer.sign() }),
  });
}

const times = () => sent.map(({ atMs }) => atMs);
const sequenceOf = (record: SignedRecord) => decodeAnnouncement(record).sequence;

/** As mesh.ts does it: the join carries a fresh announcement, the welcome starts the renewals. */
function joinMesh(): SignedRecord {
  const record = announcer.sign();
  announcer.start();
  return record;
}

describe('the announcer', () => {
  it('AN1: signs what every roster takes, with the models of this moment', () => {
    const record = announcer.sign();
    expect(decodeAnnouncement(record)).toEqual(announcer.current());
    models = [];
    expect(announcer.current().models).toEqual([]);
    expect(decodeAnnouncement(record)).toMatchObject({ peerId: identity.peerId, models: [model], state: 'ready' });
  });

  it('AN15: tells what it can do, also when that is nothing', () => {
    expect(JSON.parse(announcer.sign().body)).toMatchObject({ capabilities });
    capabilities = [];
    expect(JSON.parse(announcer.sign().body)).toMatchObject({ capabilities });
  });

  it('AN2: is silent before the welcome, whatever changes', async () => {
    announcer.changed();
    await clock.advance(60_000);
    expect(sent).toEqual([]);
  });

  it('AN3: renews well within the lifetime, counted from the join’s own record', async () => {
    const { lifetimeMs } = decodeAnnouncement(joinMesh());
    await clock.advance(45_000);
    expect(times()).toEqual([10_000, 20_000, 30_000, 40_000]);
    expect(10_000 * 2).toBeLessThan(lifetimeMs);
  });

  it('AN4: a change after quiet times is told within 250 ms', async () => {
    joinMesh();
    await clock.advance(5_000);
    announcer.changed();
    await clock.advance(250);
    expect(times()).toHaveLength(1);
    await clock.advance(10_000);
    expect(times()).toHaveLength(2);
  });

  it('AN5: a hundred changes a second make at most four records a second, and the last state is told', async () => {
    joinMesh();
    for (let change = 1; change <= 100; change += 1) {
      models = [{ ...model, inFlight: change }];
      announcer.changed();
      await clock.advance(10);
    }
    await clock.advance(250);
    expect(sent.length).toBeGreaterThan(2);
    expect(sent.length).toBeLessThanOrEqual(5);
    for (const [index, atMs] of times().slice(1).entries()) {
      expect(atMs - (times()[index] ?? 0)).toBeGreaterThanOrEqual(250);
    }
    const last = sent.at(-1)?.record;
    expect(last && decodeAnnouncement(last).models[0]?.inFlight).toBe(100);
  });

  it('AN6: each record is newer than the one before, and a restarted peer’s newer than all', async () => {
    const sequences = [announcer.sign(), announcer.sign(), announcer.sign()].map(sequenceOf);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    await clock.advance(5_000);
    expect(sequenceOf(announce(clock).sign())).toBeGreaterThan(Math.max(...sequences));
  });

  it('AN7: a wall clock that is set back makes no record older', () => {
    const jumping = new ManualClock();
    const one = announce(jumping);
    jumping.wallMs = () => 9_000_000;
    const before = sequenceOf(one.sign());
    jumping.wallMs = () => 1_000_000;
    expect(sequenceOf(one.sign())).toBe(before + 1);
  });

  it('AN11: dates by the time that the entry told, however wrong or jumping the device’s own clock is', async () => {
    const wrong = new ManualClock();
    const one = announce(wrong);
    wrong.wallMs = () => 1_000_000;
    const time = new EntryTime(wrong, 50_000_000);
    expect(decodeAnnouncement(one.sign(time.nowMs()))).toMatchObject({ issuedAtMs: 50_000_000, sequence: 50_000_000 });
    await wrong.advance(7_000);
    wrong.wallMs = () => 90_000_000;
    expect(decodeAnnouncement(one.sign(time.nowMs()))).toMatchObject({ issuedAtMs: 50_007_000, sequence: 50_007_000 });
  });

  it('AN12: tells at once what it would tell soon, and nothing when there is nothing', async () => {
    joinMesh();
    announcer.flush();
    expect(sent).toEqual([]);
    await clock.advance(100);
    announcer.changed();
    announcer.flush();
    expect(times()).toEqual([100]);
    await clock.advance(1_000);
    expect(times()).toEqual([100]);
  });

  it('AN8: stops with the connection, and tells what changed meanwhile when it is back', async () => {
    joinMesh();
    announcer.stop();
    models = [];
    announcer.changed();
    await clock.advance(60_000);
    expect(sent).toEqual([]);
    expect(decodeAnnouncement(joinMesh()).models).toEqual([]);
    await clock.advance(10_000);
    expect(times()).toEqual([70_000]);
  });

  it('AN9: what changes between join and welcome is told soon after the welcome', async () => {
    announcer.sign();
    await clock.advance(100);
    announcer.changed();
    await clock.advance(400);
    announcer.start();
    await clock.advance(1);
    expect(times()).toEqual([500]);
  });

  it('AN16: what changes between two joins is announced, though the second one carries it', async () => {
    announcer.sign();
    await clock.advance(100);
    models = [];
    announcer.changed();
    await clock.advance(100);
    announcer.sign();
    announcer.start();
    await clock.advance(100);
    expect(times()).toEqual([250]);
    announcer.stop();
    joinMesh();
    await clock.advance(9_000);
    expect(times()).toEqual([250]);
  });

  it('AN10: a second welcome does not double the renewals', async () => {
    joinMesh();
    announcer.start();
    await clock.advance(10_000);
    expect(times()).toEqual([10_000]);
    expect(clock.pendingTimers()).toBe(1);
  });
});
