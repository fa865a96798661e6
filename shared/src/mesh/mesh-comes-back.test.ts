/** A member that was away is back without anybody's help, whatever kept it away. */
import { afterEach, describe, expect, it } from 'vitest';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { VirtualMesh } from '../testing/virtual-mesh.ts';
import type { Mesh } from './mesh-interface.ts';

const model = ModelId.parse('scripted-model');
const question = { model, messages: [{ role: 'user' as const, content: 'Are you back?' }] };

let world = new VirtualMesh();
afterEach(async () => {
  await world.close();
  expect(world.clock.pendingTimers()).toBe(0);
  world = new VirtualMesh();
});

function provider(name: string): Mesh {
  const mesh = world.member(name, 'native');
  mesh.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady' }));
  return mesh;
}

/** Each begins while bob answers alice, and returns once bob may come back. */
const ABSENCES: readonly { readonly what: string; readonly leave: () => Promise<void> }[] = [
  ...[3_000, 14_000, 3_600_000].map((ms) => ({
    what: `stood still for ${ms / 1_000} s`,
    async leave() {
      world.network.kill('bob');
      await world.clock.advance(ms);
      world.network.wake('bob');
    },
  })),
  {
    what: 'lost its network without a word, and got another',
    async leave() {
      world.network.partition('alice', 'bob');
      await world.clock.advance(6_000);
      world.network.disconnect('bob');
      await world.clock.advance(20_000);
      world.network.heal('alice', 'bob');
      world.network.reconnect('bob');
    },
  },
  {
    what: 'lost its entry, which knows nobody when it is back',
    async leave() {
      for (const name of ['alice', 'bob']) world.network.disconnect(name);
      await world.clock.advance(20_000);
      for (const name of ['bob', 'alice']) world.network.reconnect(name);
    },
  },
  {
    what: 'was expelled for a while, five times',
    async leave() {
      for (let time = 0; time < 5; time += 1) {
        world.network.refuse('bob', { code: 'protocol_violation', message: 'Too many messages.', final: false });
        await world.clock.advance(2_000);
        world.network.reconnect('bob');
        await world.clock.advance(1_000);
      }
    },
  },
];

describe('a member that was away', () => {
  it.each(ABSENCES)('ME32: is found and answers again: it $what', async ({ leave }) => {
    const bob = provider('bob');
    const alice = world.member('alice', 'native');
    await world.clock.advance(1_000);
    const first = world.ask(alice, question);
    await world.clock.advance(100);
    expect(first.text).not.toBe('');

    await leave();
    await world.clock.advance(40_000);

    expect(bob.connection()).toEqual({ state: 'online' });
    expect(alice.models()).toMatchObject([{ id: model, peers: [bob.peerId] }]);
    const again = world.ask(alice, question);
    await world.clock.advance(10_000);
    expect(again).toMatchObject({ state: 'done', error: undefined });
    expect(again.events).toContainEqual(expect.objectContaining({ type: 'route', peerId: bob.peerId }));
  });
});

describe('a member that an entry refuses', () => {
  it('ME31: is offline with the sentence of the entry, as often as it is refused, and online when it is taken', async () => {
    const bob = provider('bob');
    const states: string[] = [];
    bob.onChange(() => states.push(bob.connection().state));
    await world.clock.advance(1_000);
    for (let time = 0; time < 3; time += 1) {
      world.network.refuse('bob', { code: 'mesh_busy', message: 'No room for another peer.', final: false });
      await world.clock.advance(1_000);
      expect(bob.connection()).toEqual({ state: 'offline', reason: 'No room for another peer.', isRefused: true });
    }
    world.network.disconnect('bob');
    expect(bob.connection()).toEqual({ state: 'offline', reason: 'the entry is gone' });
    world.network.reconnect('bob');
    await world.clock.advance(1_000);
    expect(bob.connection()).toEqual({ state: 'online' });
    expect(states).not.toContain('refused');
  });

  it('ME31: stays out after a final refusal', async () => {
    const bob = provider('bob');
    await world.clock.advance(1_000);
    world.network.refuse('bob', { code: 'protocol_violation', message: 'The key has joined again.', final: true });
    await world.clock.advance(60_000);
    expect(bob.connection()).toEqual({
      state: 'refused',
      code: 'protocol_violation',
      message: 'The key has joined again.',
    });
  });
});

describe('a question of a member without an entry', () => {
  const asked = { messages: question.messages };

  it.each([
    [
      'for now',
      false,
      'Not in the mesh yet: No room for another peer. Joining is tried again by itself; then ask again.',
    ],
    ['for good', true, 'Not in the mesh: No room for another peer.'],
  ])('ME41: is answered with what the entry said when it refused it %s', async (_how, final, sentence) => {
    const alice = world.member('alice', 'tab');
    await world.clock.advance(1_000);
    world.network.refuse('alice', { code: 'mesh_busy', message: 'No room for another peer.', final });
    await world.clock.advance(100);
    const [any, named] = [world.ask(alice, asked), world.ask(alice, question)];
    await world.clock.advance(100);
    for (const { error } of [any, named]) expect(error).toMatchObject({ message: sentence, retryable: !final });
  });

  it('ME41: is answered with what became of the way to the entry', async () => {
    const alice = world.member('alice', 'tab');
    await world.clock.advance(1_000);
    world.network.disconnect('alice');
    const any = world.ask(alice, asked);
    await world.clock.advance(100);
    expect(any.error).toMatchObject({
      message: 'Not in the mesh: the entry is gone. Joining is tried again by itself; then ask again.',
    });
  });

  it('ME41: goes to a peer that is linked all the same', async () => {
    const bob = provider('bob');
    const alice = world.member('alice', 'tab');
    await world.clock.advance(1_000);
    world.network.disconnect('alice');
    const answer = world.ask(alice, question);
    await world.clock.advance(10_000);
    expect(answer).toMatchObject({ state: 'done', error: undefined });
    expect(answer.events).toContainEqual(expect.objectContaining({ type: 'route', peerId: bob.peerId }));
  });
});

describe('who calls itself an entry', () => {
  it('ME30: counts as one only where an entry named it so', async () => {
    const liar = world.member('mallory', 'entry');
    const entry = world.member('entry', 'entry');
    world.network.nameEntry(entry.peerId);
    const alice = world.member('alice');
    await world.clock.advance(1_000);
    const kinds = new Map(alice.peers().map(({ peerId, announcement }) => [peerId, announcement.kind]));
    expect(kinds.get(liar.peerId)).toBe('other');
    expect(kinds.get(entry.peerId)).toBe('entry');
    expect(entry.peers().find(({ peerId }) => peerId === entry.peerId)?.announcement.kind).toBe('entry');
  });
});
