import { describe, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { MAX_ROSTER_PEERS } from '../limits.ts';
import { silentLogger } from '../ports/logger.ts';
import { SignedRecord } from '../protocol/announcement.ts';
import { readAnnouncement } from '../protocol/decode.ts';
import { type PeerId, SourceId } from '../protocol/ids.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { createSeededRandom } from '../testing/seeded-random.ts';
import { Roster, type RosterOptions } from './roster.ts';

const random = createSeededRandom(11);
const [alice, bob, carol] = [createIdentity(random), createIdentity(random), createIdentity(random)] as [
  Identity,
  Identity,
  Identity,
];

const entry = SourceId.parse('entry');

function setUp(options: Pick<RosterOptions, 'verify'> = {}) {
  const clock = new ManualClock();
  const removed: string[] = [];
  const linked = new Set<string>();
  const roster = new Roster({
    self: alice.peerId,
    isLinked: (peerId) => linked.has(peerId),
    clock,
    logger: silentLogger,
    onChange: () => {},
    onRemoved: (peerId) => removed.push(peerId),
    ...options,
  });
  const known = () => roster.announcements().map((announcement) => announcement.peerId);
  return { clock, roster, removed, known, linked };
}

function announce(identity: Identity, changes: object = {}) {
  return identity.sign({
    type: 'announcement',
    peerId: identity.peerId,
    kind: 'native',
    version: '0.1.0',
    sequence: 1,
    issuedAtMs: 0,
    lifetimeMs: 30_000,
    state: 'ready',
    memoryBytes: null,
    models: [],
    links: [],
    ...changes,
  });
}

describe('the roster', () => {
  it('RO1: keeps what is signed by the peer that it names, and nothing else', () => {
    const { roster, known } = setUp();
    const forged = bob.sign(JSON.parse(announce(carol).body) as object);
    roster.apply(entry, { upserted: [announce(bob), forged, { body: '{', signature: 'A'.repeat(86) }], removed: [] });
    expect(known()).toEqual([bob.peerId]);
  });

  it('RO2: an older announcement never replaces a newer one', () => {
    const { roster } = setUp();
    roster.apply(entry, { upserted: [announce(bob, { sequence: 5, version: 'new' })], removed: [] });
    roster.apply(entry, {
      upserted: [announce(bob, { sequence: 5, version: 'replay' }), announce(bob, { sequence: 4 })],
      removed: [],
    });
    expect(roster.get(bob.peerId)?.version).toBe('new');
  });

  it('RO3: what is not renewed expires, by this end’s clock and whatever the peer’s says', async () => {
    const { roster, clock, known, removed } = setUp();
    roster.apply(entry, {
      upserted: [announce(bob, { issuedAtMs: 9_000_000_000_000 }), announce(carol, { lifetimeMs: 60_000 })],
      removed: [],
    });
    await clock.advance(29_000);
    expect(known()).toHaveLength(2);
    await clock.advance(2_000);
    expect(known()).toEqual([carol.peerId]);
    expect(removed).toEqual([bob.peerId]);
    await clock.advance(60_000);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('RO6: a linked peer stays as long as its link, though no entry renews it', async () => {
    const { roster, clock, known, linked } = setUp();
    linked.add(bob.peerId);
    roster.apply(entry, { upserted: [announce(bob)], removed: [] });
    await clock.advance(100_000);
    expect(known()).toEqual([bob.peerId]);
    linked.clear();
    await clock.advance(31_000);
    expect(known()).toEqual([]);
  });

  it('RO8: a linked peer that an entry which was started again does not know stays until its link closes', () => {
    const { roster, known, removed, linked } = setUp();
    linked.add(bob.peerId);
    roster.apply(entry, { upserted: [announce(bob)], removed: [] });
    roster.replace(entry, []);
    expect(known()).toEqual([bob.peerId]);
    linked.clear();
    roster.handleLinkClosed(bob.peerId);
    expect(known()).toEqual([]);
    expect(removed).toEqual([bob.peerId]);
  });

  it('RO8: such a peer that the entry lists again needs no link', () => {
    const { roster, known, linked } = setUp();
    linked.add(bob.peerId);
    roster.apply(entry, { upserted: [announce(bob)], removed: [] });
    roster.replace(entry, []);
    roster.apply(entry, { upserted: [announce(bob, { sequence: 2 })], removed: [] });
    roster.handleLinkClosed(bob.peerId);
    expect(known()).toEqual([bob.peerId]);
  });

  it('RO9: a record that one source takes back, omits or does not renew stays while another vouches for it', async () => {
    const { roster, clock, known, removed } = setUp();
    const [other, third] = [SourceId.parse('other'), SourceId.parse('third')];
    for (const source of [entry, other, third]) roster.apply(source, { upserted: [announce(bob)], removed: [] });
    roster.apply(other, { upserted: [], removed: [bob.peerId, carol.peerId] });
    expect(roster.someSource(bob.peerId, (source) => source === other)).toBe(false);
    roster.replace(third, []);
    expect(known()).toEqual([bob.peerId]);
    await clock.advance(20_000);
    roster.apply(third, { upserted: [announce(bob, { sequence: 2 })], removed: [] });
    await clock.advance(15_000);
    expect(roster.someSource(bob.peerId, (source) => source === entry)).toBe(false);
    expect(known()).toEqual([bob.peerId]);
    expect(removed).toEqual([]);
    roster.apply(third, { upserted: [], removed: [bob.peerId] });
    expect(removed).toEqual([bob.peerId]);
  });

  it('RO9: a source that lists what another one knows vouches for it too, though it is no news', () => {
    const { roster, known } = setUp();
    const other = SourceId.parse('other');
    roster.apply(entry, { upserted: [announce(bob)], removed: [] });
    roster.replace(other, [announce(bob)]);
    roster.apply(entry, { upserted: [], removed: [bob.peerId] });
    expect(known()).toEqual([bob.peerId]);
  });

  it('RO10: a source that is later than another with the news of a peer renews its word all the same', async () => {
    const { roster, clock, known } = setUp();
    const slow = SourceId.parse('slow');
    const wordOf = (source: SourceId) => roster.someSource(bob.peerId, (known) => known === source);
    for (let round = 1; round <= 12; round += 1) {
      // Bob tells each entry with a record of its own, and the entry that was told first is the one that brings it last.
      roster.apply(entry, { upserted: [announce(bob, { sequence: 2 * round })], removed: [] });
      roster.apply(slow, { upserted: [announce(bob, { sequence: 2 * round - 1 })], removed: [] });
      expect([wordOf(entry), wordOf(slow)]).toEqual([true, true]);
      await clock.advance(9_999);
      expect([wordOf(entry), wordOf(slow)]).toEqual([true, true]);
    }
    roster.apply(entry, { upserted: [], removed: [bob.peerId] });
    expect(known()).toEqual([bob.peerId]);
  });

  it('RO10: a source renews its word by no record that it brought before, that is older or that is forged', async () => {
    const { roster, clock, known } = setUp();
    const stuck = SourceId.parse('stuck');
    for (const sequence of [3, 2]) roster.apply(stuck, { upserted: [announce(bob, { sequence })], removed: [] });
    roster.apply(entry, { upserted: [announce(bob, { sequence: 9 })], removed: [] });
    await clock.advance(20_000);
    roster.apply(stuck, { upserted: [announce(bob, { sequence: 3 }), announce(bob, { sequence: 2 })], removed: [] });
    const forged = carol.sign(JSON.parse(announce(bob, { sequence: 5 }).body) as object);
    roster.apply(stuck, { upserted: [forged], removed: [] });
    roster.replace(stuck, [announce(bob, { sequence: 3 })]);
    await clock.advance(10_000);
    expect(known()).toEqual([]);
  });

  it.each([
    ['another peer signed', (body: object) => carol.sign(body)],
    ['nobody signed', (body: object) => ({ body: JSON.stringify(body), signature: 'A'.repeat(86) })],
  ])('RO11: an old record that %s is no source’s first word', (_name, forge) => {
    const { roster, known } = setUp();
    const hostile = SourceId.parse('hostile');
    const forged = forge(JSON.parse(announce(bob).body) as object);
    roster.apply(entry, { upserted: [announce(bob, { sequence: 5 })], removed: [] });
    roster.apply(hostile, { upserted: [forged], removed: [] });
    roster.replace(hostile, [forged]);
    expect(roster.someSource(bob.peerId, (source) => source === hostile)).toBe(false);
    roster.apply(entry, { upserted: [], removed: [bob.peerId] });
    expect(known()).toEqual([]);
  });

  describe('and an entry that floods it', () => {
    const [hostile, other] = [SourceId.parse('hostile'), SourceId.parse('other')];
    const { body } = announce(bob);
    const idOf = (name: string) => name.padEnd(43, 'A') as PeerId;
    const flood = (name: string, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        body: body.replace(bob.peerId, idOf(`${name}${index}`)),
        signature: 'A'.repeat(86),
      }));
    const setUpFull = () => {
      const setting = setUp({ verify: () => {} });
      setting.roster.replace(hostile, flood('flood', MAX_ROSTER_PEERS + 10));
      return setting;
    };

    it('RO12: leaves half of it to what others vouch for, whoever came first', () => {
      const { roster, known, removed } = setUpFull();
      expect(known()).toHaveLength(MAX_ROSTER_PEERS);
      roster.apply(other, { upserted: flood('own', MAX_ROSTER_PEERS), removed: [] });
      const own = () => known().filter((peerId) => peerId.startsWith('own'));
      expect(own()).toHaveLength(MAX_ROSTER_PEERS / 2);
      expect(known()).toHaveLength(MAX_ROSTER_PEERS);
      expect(removed).toHaveLength(MAX_ROSTER_PEERS / 2);
      roster.apply(hostile, { upserted: flood('more', 100), removed: [] });
      expect(own()).toHaveLength(MAX_ROSTER_PEERS / 2);
      expect(known().some((peerId) => peerId.startsWith('more'))).toBe(false);
    });

    it('RO12: loses what it added last, and neither what others know, nor what is linked', () => {
      const { roster, known, linked } = setUpFull();
      const [first, shared, last] = ['flood0', 'flood19998', 'flood19999'].map(idOf);
      linked.add(last as PeerId);
      roster.apply(other, { upserted: [...flood('flood', 19_999).slice(-1), ...flood('own', 3)], removed: [] });
      const gone = ['flood19995', 'flood19996', 'flood19997'].map(idOf);
      expect(known()).toEqual(expect.arrayContaining([first, shared, last]));
      for (const peerId of gone) expect(known()).not.toContain(peerId);
    });

    it('RO12: keeps its place against records that nobody signed', () => {
      const { roster, removed } = setUp({
        verify(record) {
          if (record.signature.startsWith('B')) throw MeshError.protocolViolation('it is forged');
        },
      });
      roster.replace(hostile, flood('flood', MAX_ROSTER_PEERS));
      const forged = flood('own', 5).map(({ body }) => ({ body, signature: 'B'.repeat(86) }));
      roster.apply(other, { upserted: forged, removed: [] });
      expect(removed).toEqual([]);
    });
  });

  describe('and an entry that replays', () => {
    const hostile = SourceId.parse('hostile');

    it('RO13: a peer that is gone stays gone, whoever brings its last record or an older one', async () => {
      const { roster, clock, known } = setUp();
      const records = [4, 5].map((sequence) => announce(bob, { sequence }));
      for (const record of records) roster.apply(entry, { upserted: [record], removed: [] });
      await clock.advance(31_000);
      expect(known()).toEqual([]);
      for (const source of [hostile, entry]) {
        for (const record of records) roster.apply(source, { upserted: [record], removed: [] });
        roster.replace(source, records);
      }
      expect(known()).toEqual([]);
      roster.apply(entry, { upserted: [announce(bob, { sequence: 6 })], removed: [] });
      expect(known()).toEqual([bob.peerId]);
    });

    it('RO13: nothing that it takes back and says again lasts longer than the record', async () => {
      const { roster, clock, known } = setUp();
      const record = announce(bob, { sequence: 5 });
      roster.apply(entry, { upserted: [record], removed: [] });
      for (let round = 0; round < 6; round += 1) {
        await clock.advance(5_000);
        roster.apply(hostile, { upserted: [announce(bob, { sequence: 4 }), record], removed: [] });
        roster.apply(hostile, { upserted: [], removed: [bob.peerId] });
        roster.apply(hostile, { upserted: [record], removed: [] });
      }
      expect(known()).toEqual([]);
      expect(clock.pendingTimers()).toBe(0);
    });

    it('RO13: a peer that one entry lost is taken from another as long as its newest record is fresh', async () => {
      const { roster, clock, known, removed } = setUp();
      roster.apply(entry, { upserted: [announce(bob, { sequence: 5 })], removed: [] });
      await clock.advance(10_000);
      roster.apply(entry, { upserted: [], removed: [bob.peerId] });
      expect(removed).toEqual([bob.peerId]);
      roster.apply(hostile, { upserted: [announce(bob, { sequence: 4 })], removed: [] });
      expect(known()).toEqual([bob.peerId]);
      await clock.advance(19_000);
      roster.apply(hostile, { upserted: [announce(bob, { sequence: 5 })], removed: [] });
      expect(known()).toEqual([bob.peerId]);
      await clock.advance(1_000);
      expect(known()).toEqual([]);
    });
  });

  it('RO4: a full roster takes the place of the old one; its own announcement is not in it', () => {
    const { roster, known, removed } = setUp();
    roster.apply(entry, { upserted: [announce(bob)], removed: [] });
    roster.replace(entry, [announce(carol), announce(alice)]);
    expect(known()).toEqual([carol.peerId]);
    expect(removed).toEqual([bob.peerId]);
  });

  const model = {
    id: 'mesh-tiny',
    classId: '0'.repeat(32),
    family: 'llama.cpp',
    backend: 'test',
    contextTokens: 1024,
    slots: 1,
    inFlight: 0,
    queued: 0,
    sizeBytes: 1,
    features: [],
    measured: { ttftMs: 1, ttftP95Ms: 2, tokensPerSecond: 100, tokensPerSecondP95: 110, sampleCount: 1, ageMs: 0 },
    baseline: null,
  };
  const measured = (figures: object) => ({ models: [{ ...model, measured: { ...model.measured, ...figures } }] });

  it('RO5: an announcement with sensible figures is taken', () => {
    const { roster, known } = setUp();
    roster.apply(entry, { upserted: [announce(bob, { models: [model] })], removed: [] });
    expect(known()).toEqual([bob.peerId]);
  });

  it.each([
    ['a rate of a billion', measured({ tokensPerSecond: 1e9 })],
    ['a negative rate', measured({ tokensPerSecond: -1 })],
    ['a TTFT that is no number', measured({ ttftMs: Number.NaN })],
    ['a negative sequence', { sequence: -1 }],
    ['an endless lifetime', { lifetimeMs: 1e12 }],
    ['a hundred models', { models: Array.from({ length: 100 }, (_, index) => ({ ...model, id: `model-${index}` })) }],
    ['one model twice', { models: [model, model] }],
    ['a model without a name', { models: [{ ...model, id: '' }] }],
    ['a name of a thousand letters', { models: [{ ...model, id: 'm'.repeat(1000) }] }],
    ['a version of a thousand letters', { version: '1'.repeat(1000) }],
    ['a TTFT of a day', measured({ ttftMs: 86_400_000 })],
    ['half a sample', measured({ sampleCount: 0.5 })],
    ['a sample of the future', measured({ ageMs: -1 })],
    ['a day of samples and more', measured({ ageMs: 86_400_001 })],
    ['less than no load', { models: [{ ...model, inFlight: -1 }] }],
    ['no slot', { models: [{ ...model, slots: 0 }] }],
    ['an issue before time began', { issuedAtMs: -1 }],
  ])('RO5: an announcement with %s is refused whole', (_name, changes) => {
    const { roster, known } = setUp();
    roster.apply(entry, { upserted: [announce(bob, changes)], removed: [] });
    expect(known()).toEqual([]);
  });

  it('RO5: an announcement with a figure past all numbers is refused whole', () => {
    const { body, signature } = announce(bob, { models: [model] });
    const endless = body.replace('"tokensPerSecond":100', '"tokensPerSecond":1e999');
    expect(() => readAnnouncement({ body, signature })).not.toThrow();
    expect(() => readAnnouncement({ body: endless, signature })).toThrow(/tokensPerSecond/);
  });

  it.each([
    ['a million models', { models: Array.from({ length: 1_000_000 }, () => 1) }],
    ['a name of a megabyte', { models: [{ ...model, id: 'm'.repeat(1_000_000) }] }],
  ])('RO5: an announcement with %s is refused by its size, before it is read', (_name, changes) => {
    expect(SignedRecord.safeParse(announce(bob)).success).toBe(true);
    expect(SignedRecord.safeParse(announce(bob, changes)).success).toBe(false);
  });

  it.each([
    ['hours ahead', 9 * 3_600_000],
    ['hours behind', -9 * 3_600_000],
    ['at the beginning of time', -1_800_000_000_000],
  ])(
    'RO7: a peer whose clock is %s lives neither longer nor shorter, and its samples are as old as it said',
    async (_name, offMs) => {
      const { roster, clock, known } = setUp();
      const { ageMs } = model.measured;
      roster.apply(entry, {
        upserted: [announce(bob, { issuedAtMs: clock.wallMs() + offMs, models: [model] }), announce(carol)],
        removed: [],
      });
      expect(roster.get(bob.peerId)?.models[0]?.measured).toMatchObject({ ageMs });
      await clock.advance(29_999);
      expect(known()).toEqual([bob.peerId, carol.peerId]);
      await clock.advance(1);
      expect(known()).toEqual([]);
    },
  );
});
