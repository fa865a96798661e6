/** A member with more than one entry: who is known, reached and told of, while entries come and go. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PeerKind } from '../protocol/announcement.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import type { Mesh } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'How do peers find each other?' }] };
const FIRST = 0;
const SECOND = 1;

let world = two();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = two();
});

function two(): VirtualMesh {
  return new VirtualMesh(1, { name: 'two entries', entries: 2, ways: ['virtual'] });
}

function provider(name: string, entries?: readonly number[]): Mesh {
  const mesh = world.member(name, 'native', { entries });
  mesh.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady' }));
  return mesh;
}

function asker(name: string, kind: PeerKind = 'native', entries?: readonly number[]): Mesh {
  return world.member(name, kind, { entries });
}

const known = (mesh: Mesh) => mesh.peers().map(({ peerId }) => peerId);

describe('a member with two entries', () => {
  it('ME21: knows the members of both, once each, and gets its answers from either', async () => {
    const bob = provider('bob', [FIRST]);
    const carol = provider('carol', [SECOND]);
    const dave = provider('dave');
    const alice = asker('alice');
    await world.clock.advance(1_000);
    expect(known(alice).sort()).toEqual([alice, bob, carol, dave].map(({ peerId }) => peerId).sort());
    await world.acquaint(alice, question);
    expect(alice.measurementsOf(model)).toHaveLength(3);
  });

  it('ME21: is as far from the members of an entry that it has lost as if it had none', async () => {
    const bob = provider('bob', [FIRST]);
    const carol = provider('carol', [SECOND]);
    const alice = asker('alice');
    await world.clock.advance(1_000);
    world.network.disconnect('alice', FIRST);
    await world.clock.advance(1_000);
    expect(alice.connection()).toEqual({ state: 'online' });
    const answers = [1, 2, 3].map(() => world.ask(alice, question));
    await world.clock.advance(8_000);
    for (const { state, events } of answers) {
      expect(state).toBe('done');
      expect(events).not.toContainEqual(expect.objectContaining({ type: 'route', peerId: bob.peerId }));
      expect(events).toContainEqual(expect.objectContaining({ type: 'route', peerId: carol.peerId }));
    }
  });

  it('ME22: is online as long as one of them is there, and offline without any', async () => {
    const alice = asker('alice');
    await world.clock.advance(1_000);
    expect(alice.connection().state).toBe('online');
    world.network.disconnect('alice', SECOND);
    expect(alice.connection().state).toBe('online');
    world.network.disconnect('alice', FIRST);
    expect(alice.connection().state).toBe('offline');
    world.network.reconnect('alice', SECOND);
    await world.clock.advance(1_000);
    expect(alice.connection().state).toBe('online');
  });

  it('ME22: loses no answer and no peer with one of them', async () => {
    const bob = provider('bob');
    const alice = asker('alice');
    await world.clock.advance(1_000);
    const answer = world.ask(alice, question);
    await world.clock.advance(300);
    for (const name of ['alice', 'bob']) world.network.disconnect(name, FIRST);
    await world.clock.advance(60_000);
    expect(answer.state).toBe('done');
    expect(known(alice)).toContain(bob.peerId);
  });

  it('RO9: keeps a peer that one of them lost while the other has it, and lets it go when both have', async () => {
    const bob = provider('bob');
    const alice = asker('alice');
    await world.clock.advance(1_000);
    world.network.disconnect('bob', FIRST);
    await world.clock.advance(1_000);
    expect(known(alice)).toContain(bob.peerId);
    world.network.disconnect('bob', SECOND);
    await world.clock.advance(1_000);
    expect(known(alice)).not.toContain(bob.peerId);
  });

  it.each([FIRST, SECOND])(
    'LS34: reaches a peer that both know though entry %i drops what leads to it, and at once the next time',
    async (dropping) => {
      const bob = provider('bob');
      const alice = asker('alice');
      world.network.relay(dropping, false);
      await world.clock.advance(1_000);
      const answer = world.ask(alice, question);
      await world.clock.advance(14_000);
      expect(answer.state).toBe('done');
      const linked = () => alice.peers().find(({ peerId }) => peerId === bob.peerId)?.linked;
      expect(linked()).toBe(true);
      world.network.partition('alice', 'bob');
      await world.clock.advance(10_000);
      expect(linked()).toBe(false);
      world.network.heal('alice', 'bob');
      const again = world.ask(alice, question);
      await world.clock.advance(4_000);
      expect(again.state).toBe('done');
    },
  );

  it('LS34: gives up a peer that no entry leads to, and reaches it as soon as one does', async () => {
    provider('bob');
    const alice = asker('alice');
    for (const entry of [FIRST, SECOND]) world.network.relay(entry, false);
    await world.clock.advance(1_000);
    const lost = world.ask(alice, question);
    await world.clock.advance(25_000);
    expect(lost.error).toMatchObject({ code: 'connection_failed' });
    world.network.relay(FIRST, true);
    const answer = world.ask(alice, question);
    await world.clock.advance(14_000);
    expect(answer.state).toBe('done');
  });

  it('ME23: tells one of them of an answer, which would count twice otherwise', async () => {
    const bob = provider('bob', [SECOND]);
    const alice = asker('alice', 'tab');
    await world.clock.advance(1_000);
    world.ask(alice, question);
    await world.clock.advance(10_000);
    expect(world.network.reports).toMatchObject([
      { from: 'alice', entry: SECOND, report: { servedBy: 'mesh', peerId: bob.peerId } },
    ]);
  });

  it('AN14: tells each of a change, however it joined the other meanwhile', async () => {
    const alice = asker('alice', 'native', [FIRST]);
    const carol = asker('carol', 'native', [SECOND]);
    const bob = asker('bob');
    await world.clock.advance(1_000);
    world.network.disconnect('bob', SECOND);
    await world.clock.advance(1_000);
    bob.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady' }));
    world.network.reconnect('bob', SECOND);
    await world.clock.advance(500);
    for (const member of [alice, carol]) expect(member.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
  });

  it('AN16: tells one that has not welcomed it yet what it told the other meanwhile', async () => {
    const alice = asker('alice', 'native', [FIRST]);
    const carol = asker('carol', 'native', [SECOND]);
    const bob = asker('bob');
    await world.clock.advance(1_000);
    world.network.disconnect('bob', SECOND);
    await world.clock.advance(1_000);
    world.network.delayMs = 50;
    world.network.reconnect('bob', SECOND);
    await world.clock.advance(60);
    bob.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady' }));
    await world.clock.advance(500);
    for (const member of [alice, carol]) expect(member.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
  });
});
