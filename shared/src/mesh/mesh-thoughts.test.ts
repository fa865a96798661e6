/** Thoughts on their way through the mesh: told apart from the answer, and behind a lost peer as if nothing had happened. */
import { afterEach, expect, it } from 'vitest';
import { ModelId } from '../protocol/ids.ts';
import { createScriptedEngine, type ScriptedEngineOptions } from '../testing/scripted-engine.ts';
import { type VirtualAnswer, VirtualMesh } from '../testing/virtual-mesh.ts';
import type { AnswerEvent } from './mesh-interface.ts';

const question = {
  model: ModelId.parse('scripted-model'),
  messages: [{ role: 'user' as const, content: 'How do peers find each other?' }],
  temperature: 0,
};
const THOUGHTS = 20;
const TOKENS = 60;

const world = new VirtualMesh();
afterEach(() => world.close());

const thinker = (options: Partial<ScriptedEngineOptions> = {}) =>
  createScriptedEngine({ clock: world.clock, scenario: 'steady', tokens: TOKENS, thoughts: THOUGHTS, ...options });

const tokensOf = ({ events }: VirtualAnswer) => events.filter((event) => event.type === 'tokens');
const endOf = ({ events }: VirtualAnswer) =>
  events.find((event): event is Extract<AnswerEvent, { type: 'end' }> => event.type === 'end');

/** What readers get: thoughts, answer, and both as the model wrote them. */
function readOf(answer: VirtualAnswer) {
  const read = { thoughts: '', text: '', written: '', tokens: 0 };
  for (const { text, thought, written = text, tokenCount } of tokensOf(answer)) {
    if (thought) read.thoughts += text;
    else read.text += text;
    read.written += written;
    read.tokens += tokenCount;
  }
  return read;
}

async function undisturbed() {
  const quiet = new VirtualMesh();
  const engine = createScriptedEngine({ clock: quiet.clock, scenario: 'steady', tokens: TOKENS, thoughts: THOUGHTS });
  const asking = quiet.member('asking');
  quiet.member('answering', 'native').addEngine(engine);
  await quiet.clock.advance(1_000);
  const answer = quiet.ask(asking, question);
  await quiet.clock.advance(5_000);
  await quiet.close();
  return readOf(answer);
}

it('TH1: thoughts are told apart from the answer, and no event holds both', async () => {
  const alice = world.member('alice');
  // Faster than deltas leave, so that thoughts and answer are gathered.
  world.member('bob', 'native').addEngine(thinker({ tokenIntervalMs: 1 }));
  await world.clock.advance(1_000);
  const answer = world.ask(alice, question);
  await world.clock.advance(5_000);
  const { thoughts, text, written, tokens } = readOf(answer);
  expect(tokens).toBe(TOKENS);
  expect(tokensOf(answer).length).toBeLessThan(TOKENS);
  expect(written).toBe(`<think>\n${thoughts}\n</think>\n\n${text}`);
  expect(thoughts.split(' ').length).toBeGreaterThan(THOUGHTS / 2);
  expect(thoughts + text).not.toContain('think>');
  expect(tokensOf(answer).every((event) => event.text !== '')).toBe(true);
});

it('TH2: the time to the first token is that of the first thought, and that of the answer stands beside it', async () => {
  const alice = world.member('alice');
  world.member('bob', 'native').addEngine(thinker({ ttftMs: 40, tokenIntervalMs: 10 }));
  await world.clock.advance(1_000);
  const answer = world.ask(alice, question);
  await world.clock.advance(5_000);
  const { ttftMs = 0, answerTtftMs = 0 } = endOf(answer) ?? {};
  // The first token is a marker without text.
  expect(ttftMs).toBeGreaterThanOrEqual(50);
  expect(ttftMs).toBeLessThan(100);
  expect(answerTtftMs - ttftMs).toBeGreaterThanOrEqual((THOUGHTS + 1) * 10 - 5);
  const unthinking = world.ask(alice, { ...question, thinking: false });
  await world.clock.advance(5_000);
  expect(unthinking.state).toBe('done');
  expect(endOf(unthinking)).not.toHaveProperty('answerTtftMs');
});

it.each([
  ['in mid-thought', 150],
  ['behind the thoughts', 400],
])('TH3: an answer that loses its peer %s goes on there', async (_, lostAfterMs) => {
  const alice = world.member('alice');
  const bob = world.member('bob', 'native');
  const engines = [thinker(), thinker()];
  bob.addEngine(engines[0] as (typeof engines)[0]);
  await world.clock.advance(1_000);
  const answer = world.ask(alice, question);
  await world.clock.advance(lostAfterMs);
  const before = readOf(answer);
  world.member('carol', 'native').addEngine(engines[1] as (typeof engines)[0]);
  await world.clock.advance(20);
  void bob.removeEngine(engines[0] as (typeof engines)[0], 0);
  await world.clock.advance(10_000);
  expect(answer.events.filter(({ type }) => type === 'route')).toHaveLength(2);
  const whole = await undisturbed();
  expect(readOf(answer)).toEqual(whole);
  expect(before.text === '').toBe(lostAfterMs < 200);
  const [{ continues } = {}] = engines[1]?.requests ?? [];
  expect(whole.written.startsWith(continues?.text ?? 'nothing')).toBe(true);
  expect(continues?.text).toMatch(/^<think>\n/);
});
