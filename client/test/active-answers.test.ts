import { createScriptedEngine, type EngineScenario, VirtualMesh } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { ActiveAnswers } from '../src/state/active-answers.svelte.ts';
import { Conversations } from '../src/state/conversations.svelte.ts';
import { MeshState } from '../src/state/mesh-state.svelte.ts';
import type { Thread } from '../src/state/thread.svelte.ts';
import { createMemoryStorage } from '../src/storage/memory-storage.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Alice's page in a mesh where Bob serves one model. Frames are painted by the timer of a hidden page. */
function setUp(options: { scenario?: EngineScenario; contextTokens?: number; served?: boolean } = {}) {
  const virtual = new VirtualMesh();
  const { clock } = virtual;
  const engine = createScriptedEngine({
    clock,
    scenario: options.scenario ?? 'steady',
    contextTokens: options.contextTokens,
  });
  const bob = virtual.member('bob', 'native');
  if (options.served !== false) bob.addEngine(engine);
  const mesh = new MeshState(Promise.resolve(virtual.member('alice')), clock);
  let ids = 0;
  const newId = () => `id-${++ids}`;
  const now = () => new Date(clock.wallMs());
  const conversations = new Conversations({
    storage: Promise.resolve(createMemoryStorage()),
    channel: { post() {}, onChange() {}, close() {} },
    clock,
    newId,
    now,
    onRemove: (id) => answers.stop(id),
  });
  const answers = new ActiveAnswers({
    mesh,
    conversations,
    clock,
    frames: { request: () => 0, cancel() {} },
    newId,
    now,
    chosenModel: () => undefined,
  });
  closing.push(() => virtual.close());
  return { clock, bob, engine, mesh, conversations, answers };
}

const lastOf = (thread: Thread) => thread.messages().at(-1);

describe('asking', () => {
  it('UI20: a message that is sent while the page still joins waits for the mesh and is answered', async () => {
    const { clock, answers } = setUp();
    const thread = answers.ask(undefined, 'Hello');
    expect(answers.isRunning(thread.id)).toBe(true);
    await clock.advance(5_000);
    expect(lastOf(thread)).toMatchObject({
      role: 'assistant',
      status: { state: 'done', finish: 'stop' },
      host: { model: 'scripted-model' },
    });
    expect(lastOf(thread)?.host?.ttftMs).toBeGreaterThan(0);
    expect(answers.isRunning(thread.id)).toBe(false);
  });

  it('UI21: a finished answer is announced once, as a whole', async () => {
    const { clock, answers } = setUp();
    const thread = answers.ask(undefined, 'Hello');
    expect(answers.announcement).toBe('');
    await clock.advance(5_000);
    expect(answers.announcement).toBe(`scripted-model answered: ${lastOf(thread)?.content}`);
  });

  it('UI22: Stop frees the slot and keeps what had arrived', async () => {
    const { clock, engine, answers } = setUp({ scenario: 'slow' });
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(8_000);
    expect(engine.running()).toBe(1);
    answers.stop(thread.id);
    await clock.advance(250);
    expect(engine.running()).toBe(0);
    expect(lastOf(thread)?.status).toEqual({ state: 'done', finish: 'stopped' });
    expect(lastOf(thread)?.content).not.toBe('');
  });

  it('UI22: a conversation that is deleted stops its answer', async () => {
    const { clock, engine, conversations, answers } = setUp({ scenario: 'slow' });
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(8_000);
    await conversations.remove(thread.id);
    await clock.advance(250);
    expect(engine.running()).toBe(0);
  });

  it('UI23: without a model the message says so, and Retry answers it once there is one', async () => {
    const { clock, bob, engine, answers } = setUp({ served: false });
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(15_000);
    expect(lastOf(thread)?.status).toMatchObject({ state: 'error', code: 'no_peer_with_model' });
    bob.addEngine(engine);
    await clock.advance(1_000);
    answers.regenerate(thread, 1);
    await clock.advance(5_000);
    expect(lastOf(thread)?.status).toMatchObject({ state: 'done' });
    expect(thread.messages()).toHaveLength(2);
  });

  it('UI24: an edited question replaces what came after it', async () => {
    const { clock, engine, answers } = setUp();
    const thread = answers.ask(undefined, 'First');
    await clock.advance(5_000);
    answers.ask(thread, 'Second');
    await clock.advance(5_000);
    answers.edit(thread, 0, 'Other');
    await clock.advance(5_000);
    expect(thread.messages().map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(engine.requests.at(-1)?.messages).toEqual([{ role: 'user', content: 'Other' }]);
  });

  it('UI25: a conversation that outgrew the context is asked with its newer part, and says what was left out', async () => {
    const { clock, engine, answers } = setUp({ contextTokens: 64 });
    const thread = answers.ask(undefined, 'One');
    await clock.advance(5_000);
    for (const text of ['Two', 'Three', 'Four']) {
      answers.ask(thread, text);
      await clock.advance(5_000);
    }
    const last = lastOf(thread);
    expect(last?.status).toMatchObject({ state: 'done' });
    expect(last?.omittedMessages).toBeGreaterThan(0);
    expect(engine.requests.at(-1)?.messages.at(-1)).toEqual({ role: 'user', content: 'Four' });
  });

  it('UI26: a conversation runs one answer at a time', async () => {
    const { clock, answers } = setUp();
    const thread = answers.ask(undefined, 'Hello');
    answers.ask(thread, 'Again');
    await clock.advance(5_000);
    expect(thread.messages()).toHaveLength(2);
  });
});
