/** Who asks much does not keep the others waiting. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ModelId } from './protocol/ids.ts';
import { createScriptedEngine } from './testing/scripted-engine.ts';
import { VirtualMesh } from './testing/virtual-mesh.ts';

const model = ModelId.parse('scripted-model');

let world: VirtualMesh;
beforeEach(() => {
  world = new VirtualMesh();
});
afterEach(() => world.close());

it('PR32: one client of an entry that asks without end leaves room for another one, and for other peers', async () => {
  const [entry, tab] = [world.member('entry', 'entry'), world.member('tab')];
  // One answer a second.
  const engine = createScriptedEngine({ clock: world.clock, scenario: 'steady', slots: 1, tokens: 100 });
  world.member('bob', 'native').addEngine(engine);
  await world.clock.advance(1_000);
  const ask = (content: string, client?: string) =>
    world.ask(client === undefined ? tab : entry, { model, client, messages: [{ role: 'user', content }] });
  const flood = setUpFlood(() => ask('heavy', 'heavy'));
  await world.clock.advance(5_000);
  for (let turn = 0; turn < 5; turn += 1) {
    const [light, other] = [ask('light', 'light'), ask('tab')];
    await world.clock.advance(5_000);
    expect([light.state, other.state]).toEqual(['done', 'done']);
  }
  flood();
  const turns = engine.requests.filter(({ messages }) => messages[0]?.content === 'heavy').length;
  // It gets what is left, not nothing.
  expect(turns).toBeGreaterThan(10);
});

/** Five new ones a second. Returns what ends it. */
function setUpFlood(ask: () => unknown): () => void {
  let stop = () => {};
  const flood = () => {
    ask();
    stop = world.clock.after(200, flood);
  };
  flood();
  return () => stop();
}
