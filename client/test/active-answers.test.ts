import { type CompletionRequest, MeshError, ModelId, PeerId } from '@tabmesh/shared';
import { createScriptedEngine, type EngineScenario, VirtualMesh } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { ActiveAnswers } from '../src/chat/active-answers.svelte.ts';
import type { AnswerUpdate } from '../src/conversations/answer-reducer.ts';
import { ConversationStore } from '../src/conversations/conversation-store.ts';
import { createMemoryStorage } from '../src/conversations/memory-storage.ts';
import type { FallbackWay } from '../src/fallback/fallback-way.ts';
import { NOTICE_READ_MS } from '../src/limits.ts';
import { MeshState } from '../src/mesh/mesh-state.svelte.ts';
import { Conversations } from '../src/open-conversations/conversations.svelte.ts';
import type { Thread } from '../src/open-conversations/thread.svelte.ts';
import { createBrowserTabs } from './browser-tabs.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Alice's page in a mesh where Bob serves one model. Frames are painted by the timer of a hidden page. */
function setUp(
  options: { scenario?: EngineScenario; contextTokens?: number; served?: boolean; thoughts?: number } = {},
) {
  const virtual = new VirtualMesh();
  const { clock } = virtual;
  const engine = createScriptedEngine({
    clock,
    scenario: options.scenario ?? 'steady',
    contextTokens: options.contextTokens,
    thoughts: options.thoughts,
  });
  const bob = virtual.member('bob', 'native');
  if (options.served !== false) bob.addEngine(engine);
  const mesh = new MeshState(Promise.resolve(virtual.member('alice')), clock);
  let ids = 0;
  const newId = () => `id-${++ids}`;
  const now = () => new Date(clock.wallMs());
  const conversations = new Conversations({
    store: new ConversationStore({
      storage: Promise.resolve(createMemoryStorage()),
      tabs: createBrowserTabs().open(),
      clock,
    }),
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

  it('TH20: thoughts are shown apart, with the time until the answer began, and are neither read out nor asked again', async () => {
    const { clock, engine, answers } = setUp({ scenario: 'slow', thoughts: 10 });
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(8_000);
    expect(lastOf(thread)).toMatchObject({ content: '', thoughts: { tookMs: null }, status: { state: 'streaming' } });
    await clock.advance(30_000);
    const { thoughts, content } = lastOf(thread) ?? {};
    expect(thoughts?.text.split(' ').length).toBeGreaterThan(5);
    expect(thoughts?.tookMs).toBeGreaterThanOrEqual(5_000);
    expect(thoughts?.tookMs).toBeLessThan(6_000);
    expect(answers.announcement).toBe(`scripted-model answered: ${content}`);

    answers.ask(thread, 'And now?');
    await clock.advance(30_000);
    expect(engine.requests.at(-1)?.messages[1]).toEqual({ role: 'assistant', content });
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

  it('LC17: Continue goes on behind what stands there, and keeps it when nobody can', async () => {
    const { clock, bob, engine, answers } = setUp({ scenario: 'slow' });
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(8_000);
    void bob.removeEngine(engine, 0);
    await clock.advance(20_000);
    const broken = lastOf(thread);
    expect(broken?.status.state).toBe('error');
    answers.goOn(thread);
    expect(lastOf(thread)?.status.state).toBe('streaming');
    await clock.advance(20_000);
    expect(lastOf(thread)).toMatchObject({ content: broken?.content, status: { state: 'error' } });

    bob.addEngine(engine);
    await clock.advance(1_000);
    answers.goOn(thread);
    await clock.advance(30_000);
    const { continues, messages } = engine.requests.at(-1) ?? {};
    expect(continues?.text).toBe(broken?.content);
    expect(continues?.tokenCount).toBeGreaterThan(0);
    expect(messages).toEqual([{ role: 'user', content: 'Hello' }]);
    expect(lastOf(thread)).toMatchObject({ status: { state: 'done', finish: 'stop' }, begunBy: undefined });
    expect(lastOf(thread)?.content.startsWith(broken?.content ?? '?')).toBe(true);
    expect(lastOf(thread)?.content.length).toBeGreaterThan(broken?.content.length ?? 0);
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

/** Answers with the given updates, and notes what it was asked. */
function fallbackWay(...updates: readonly (AnswerUpdate | Error)[]) {
  const requests: CompletionRequest[] = [];
  const way: FallbackWay = {
    host: 'api.example.com',
    model: ModelId.parse('Qwen3-8B'),
    async *complete(request) {
      requests.push(request);
      for (const update of updates) {
        if (update instanceof Error) throw update;
        yield update;
      }
    },
  };
  return { way, requests };
}

const served: AnswerUpdate = { type: 'served', peer: null, model: ModelId.parse('Qwen3-8B') };
const said: AnswerUpdate = { type: 'tokens', text: 'From outside', tokenCount: 1 };
const ended: AnswerUpdate = {
  type: 'end',
  reason: 'stop',
  usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 },
  ttftMs: 210,
  tokensPerSecond: 55,
};

describe('an outside provider', () => {
  it('OP3: without a notice on the screen no question goes there', async () => {
    const { clock, answers } = setUp();
    const { way, requests } = fallbackWay(served, said, ended);
    const hide = answers.noticeShown(way);
    await clock.advance(NOTICE_READ_MS);
    hide();
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(5_000);
    expect(requests).toEqual([]);
    expect(lastOf(thread)?.host?.model).toBe('scripted-model');
    expect(lastOf(thread)?.outside).toBeUndefined();
  });

  it('OP3: a notice that nobody had time to read permits nothing', async () => {
    const { clock, answers } = setUp();
    const { way, requests } = fallbackWay(served, said, ended);
    answers.noticeShown(way);
    await clock.advance(NOTICE_READ_MS - 1);
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(5_000);
    expect(requests).toEqual([]);
    answers.regenerate(thread, 1);
    await clock.advance(5_000);
    expect(requests).toHaveLength(1);
  });

  it('OP5: under the notice a question goes there, with the model of the notice, and streams like any other', async () => {
    const { clock, engine, answers } = setUp();
    const { way, requests } = fallbackWay(served, said, ended);
    answers.noticeShown(way);
    await clock.advance(NOTICE_READ_MS);
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(1_000);
    expect(requests).toEqual([
      { model: 'Qwen3-8B', conversationId: thread.id, messages: [{ role: 'user', content: 'Hello' }] },
    ]);
    expect(engine.requests).toEqual([]);
    expect(lastOf(thread)).toMatchObject({
      content: 'From outside',
      sender: null,
      host: { peer: null, peerName: 'api.example.com', model: 'Qwen3-8B', ttftMs: 210, tokensPerSecond: 55 },
      outside: 'api.example.com',
      status: { state: 'done', finish: 'stop' },
    });
    expect(answers.announcement).toBe('Qwen3-8B, at an outside provider (api.example.com), answered: From outside');
  });

  it('OP5: it can be asked where no peer serves a model', async () => {
    const { clock, answers } = setUp({ served: false });
    await clock.advance(1_000);
    expect(answers.canAsk).toBe(false);
    answers.noticeShown(fallbackWay(served, said, ended).way);
    await clock.advance(NOTICE_READ_MS);
    expect(answers.canAsk).toBe(true);
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(1_000);
    expect(lastOf(thread)?.content).toBe('From outside');
  });

  it('OP6: that it may have seen the question is stored before it leaves', async () => {
    const { clock, conversations, answers } = setUp();
    answers.noticeShown(fallbackWay(MeshError.connectionFailed('gone')).way);
    await clock.advance(NOTICE_READ_MS);
    const thread = answers.ask(undefined, 'Hello');
    expect(lastOf(thread)).toMatchObject({ outside: 'api.example.com', host: null, status: { state: 'streaming' } });
    await clock.advance(1_000);
    const [stored] = await conversations.exportAll();
    expect(stored?.messages.at(-1)).toMatchObject({ outside: 'api.example.com', status: { state: 'error' } });
  });

  it('OP7: an answer of the mesh that it did not see says nothing of it, one that it may have seen does', async () => {
    const peer = PeerId.parse(`${'b'.repeat(42)}A`);
    const byPeer: AnswerUpdate = { type: 'served', peer, model: ModelId.parse('Qwen3-8B') };
    const { clock, answers } = setUp();
    const hide = answers.noticeShown(fallbackWay({ type: 'unseen' }, byPeer, said, ended).way);
    await clock.advance(NOTICE_READ_MS);
    const thread = answers.ask(undefined, 'Hello');
    await clock.advance(1_000);
    expect(lastOf(thread)).toMatchObject({ sender: peer, host: { peer } });
    expect(lastOf(thread)?.outside).toBeUndefined();
    hide();
    answers.noticeShown(fallbackWay(byPeer, said, ended).way);
    await clock.advance(NOTICE_READ_MS);
    answers.regenerate(thread, 1);
    await clock.advance(1_000);
    expect(lastOf(thread)).toMatchObject({ host: { peer }, outside: 'api.example.com' });
  });

  it('OP10: a conversation that outgrew the context is asked again with its newer part', async () => {
    const { clock, answers } = setUp();
    const hide = answers.noticeShown(fallbackWay(served, said, ended).way);
    await clock.advance(NOTICE_READ_MS);
    const thread = answers.ask(undefined, 'One');
    await clock.advance(1_000);
    hide();
    const { way, requests } = fallbackWay(MeshError.contextLengthExceeded(90, 64));
    answers.noticeShown(way);
    await clock.advance(NOTICE_READ_MS);
    answers.ask(thread, 'Two');
    await clock.advance(1_000);
    expect(requests.map(({ messages }) => messages.length)).toEqual([3, 1]);
    expect(lastOf(thread)?.status).toMatchObject({ state: 'error', code: 'context_length_exceeded' });
  });
});
