import { Announcement, type RosterDelta } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { expect, it } from 'vitest';
import { HubRoster } from '../../src/hub/hub-roster.ts';
import { createMember, type TestMember } from '../setup/member.ts';

it('SG17: the first change after a quiet time goes out at once, those within 25 ms together', async () => {
  const { clock, roster, deltas } = startRoster();
  const [alice, bob, carol] = [createMember(), createMember(), createMember()];

  put(roster, alice);
  await clock.advance(0);
  expect(deltas).toHaveLength(1);
  put(roster, bob);
  put(roster, carol);
  await clock.advance(24);
  expect(deltas).toHaveLength(1);
  await clock.advance(1);

  expect(deltas).toHaveLength(2);
  expect(deltas[1]?.upserted).toHaveLength(2);
});

it('SG17: of several changes of one peer within a delta only the last is told', async () => {
  const { clock, roster, deltas } = startRoster();
  const [alice, bob] = [createMember(), createMember()];
  put(roster, alice);
  await clock.advance(30);

  roster.remove(alice.peerId);
  const back = put(roster, alice);
  put(roster, bob);
  roster.remove(bob.peerId);
  await clock.advance(30);

  expect(deltas.slice(1).flatMap(({ upserted }) => upserted)).toEqual([back]);
  expect(deltas.slice(1).flatMap(({ removed }) => removed)).toEqual([bob.peerId]);
});

it('SG18: an announcement that is not renewed expires by its lifetime', async () => {
  const { clock, roster, deltas } = startRoster();
  const alice = createMember();
  put(roster, alice, 5_000);
  await clock.advance(4_000);
  put(roster, alice, 5_000);
  await clock.advance(4_999);
  expect(roster.everything().next().value).toMatchObject({ upserted: [{}] });

  await clock.advance(30);

  expect([...roster.everything()]).toEqual([{ upserted: [], removed: [] }]);
  expect(deltas.at(-1)).toEqual({ upserted: [], removed: [alice.peerId] });
  expect(clock.pendingTimers()).toBe(0);
});

it('SG30: a closed roster tells nothing more', async () => {
  const { clock, roster, deltas } = startRoster();
  put(roster, createMember());

  roster.close();
  await clock.advance(60_000);

  expect(deltas).toEqual([]);
  expect(clock.pendingTimers()).toBe(0);
});

function startRoster() {
  const clock = new ManualClock();
  const deltas: RosterDelta[] = [];
  return {
    clock,
    deltas,
    roster: new HubRoster(clock, (delta) => void deltas.push(delta)),
  };
}

function put(roster: HubRoster, member: TestMember, lifetimeMs = 60_000) {
  const record = member.announcement({ lifetimeMs });
  roster.put(Announcement.parse(JSON.parse(record.body)), record);
  return record;
}
