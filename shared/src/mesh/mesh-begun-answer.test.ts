/** An answer that broke off for good is asked for again, from where it stands. */
import { afterEach, expect, it } from 'vitest';
import { MeshError } from '../errors.ts';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine } from '../testing/scripted-engine.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import type { BegunAnswer } from './mesh-interface.ts';

const question = {
  model: ModelId.parse('scripted-model'),
  messages: [{ role: 'user' as const, content: 'How do peers find each other?' }],
  temperature: 0,
};

const world = new VirtualMesh();
afterEach(() => world.close());

function begunBy(answer: VirtualAnswer, { classId }: { readonly classId: BegunAnswer['classId'] }): BegunAnswer {
  const tokens = answer.events.flatMap((event) => (event.type === 'tokens' ? [event.tokenCount] : []));
  return { text: answer.text, tokenCount: tokens.reduce((sum, count) => sum + count, 0), classId };
}

it('LC16: a request that names what was delivered gets the rest, word for word the undisturbed one', async () => {
  const alice = world.member('alice');
  const bob = world.member('bob', 'native');
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', tokens: 60 });
  bob.addEngine(engine);
  await world.clock.advance(1_000);
  const whole = world.ask(alice, question);
  await world.clock.advance(5_000);

  const broken = world.ask(alice, question);
  await world.clock.advance(300);
  void bob.removeEngine(engine, 0);
  await world.clock.advance(20_000);
  expect(MeshError.is(broken.error)).toBe(true);
  expect(whole.text.startsWith(broken.text)).toBe(true);
  const begun = begunBy(broken, engine.model);
  expect(begun.tokenCount).toBeGreaterThan(0);

  const waiting = world.ask(alice, { ...question, begun });
  await world.clock.advance(5_000);
  expect(waiting).toMatchObject({ state: 'failed', text: '' });

  const carol = world.member('carol', 'native');
  carol.addEngine(createScriptedEngine({ clock: world.clock, scenario: 'steady', tokens: 60 }));
  await world.clock.advance(1_000);
  const rest = world.ask(alice, { ...question, begun });
  await world.clock.advance(5_000);
  expect(broken.text + rest.text).toBe(whole.text);
  expect(rest.events[0]).toMatchObject({ type: 'route', peerId: carol.peerId, continues: 'same-class' });
  expect(rest.events.at(-1)).toMatchObject({ type: 'end', usage: { completionTokens: 60 } });
});
