import { ClassId, JobId, MeshError, ModelId, PeerId, type RouteExplanation } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { handoverText } from '../src/chat/handover.ts';
import { type AnswerUpdate, reduceAnswer, updateOfError } from '../src/conversations/answer-reducer.ts';
import { beginningOf, pendingAnswer } from '../src/conversations/conversation.ts';

const alice = PeerId.parse(`${'a'.repeat(42)}A`);
const bob = PeerId.parse(`${'b'.repeat(42)}A`);
const carol = PeerId.parse(`${'c'.repeat(42)}A`);
const model = ModelId.parse('mesh-tiny');
const names: Record<string, string> = { [alice]: 'alice', [bob]: 'bob', [carol]: 'carol' };
const classId = ClassId.parse('c'.repeat(32));
const peers = { nameOf: (peerId: PeerId) => names[peerId] ?? '?', classOf: () => classId };

const explanation = (candidates: number): RouteExplanation => ({
  outputTokens: 200,
  candidates: Array.from({ length: candidates }, (_, index) => ({
    peerId: index === 0 ? alice : bob,
    verdict: index === 0 ? 'chosen' : 'slower',
    expectedMs: 100 + index,
    connectMs: 0,
    rttMs: 1,
    waitMs: 0,
    ttftMs: 20,
    tokensPerSecond: 40,
    source: 'own',
  })),
});
type Continues = Extract<AnswerUpdate, { type: 'route' }>['continues'];
const routed = (peerId: PeerId, candidates = 2, continues: Continues = null): AnswerUpdate => ({
  type: 'route',
  jobId: JobId.parse('0'.repeat(32)),
  peerId,
  model,
  continues,
  explanation: explanation(candidates),
});
const continuedBy = (peerId: PeerId, continues: Continues = 'same-class') => routed(peerId, 2, continues);
const tokens = (text: string): AnswerUpdate => ({ type: 'tokens', text, tokenCount: 1 });
const end: AnswerUpdate = {
  type: 'end',
  reason: 'stop',
  usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 },
  ttftMs: 84,
  tokensPerSecond: 41,
};
const answer = (...updates: AnswerUpdate[]) =>
  updates.reduce((message, update) => reduceAnswer(message, update, peers), pendingAnswer('1', new Date(0)));

describe('an answer', () => {
  it('UI5: grows by its tokens and ends with the figures of the peer that served it', () => {
    expect(answer(routed(alice), tokens('It '), tokens('measures.'), end)).toMatchObject({
      content: 'It measures.',
      sender: alice,
      host: { peer: alice, peerName: 'alice', model, ttftMs: 84, tokensPerSecond: 41 },
      status: { state: 'done', finish: 'stop' },
    });
  });

  it('TH19: keeps its thoughts apart, says how long they took, and can be gone on with as the model wrote it', () => {
    const thought = (text: string, written?: string): AnswerUpdate => ({
      type: 'tokens',
      text,
      tokenCount: 1,
      thought: true,
      ...(written === undefined ? {} : { written }),
    });
    const thinking = answer(routed(alice), thought('Hm', '<think>Hm'), thought(', two.'));
    expect(thinking).toMatchObject({ content: '', thoughts: { text: 'Hm, two.', tookMs: null } });

    const lost: AnswerUpdate = { type: 'failed', code: 'peer_lost', message: 'gone' };
    const cutInThought = answer(routed(alice), thought('Hm', '<think>Hm'), lost);
    expect(beginningOf(cutInThought)).toEqual({ text: '<think>Hm', tokenCount: 1, classId });

    const answering: AnswerUpdate = { type: 'tokens', text: 'Two', tokenCount: 1, written: '</think>Two' };
    const cut = answer(
      routed(alice),
      thought('Hm', '<think>Hm'),
      answering,
      { type: 'thought', tookMs: 7_000 },
      tokens('.'),
      lost,
    );
    expect(cut).toMatchObject({ content: 'Two.', thoughts: { text: 'Hm', tookMs: 7_000 } });
    expect(beginningOf(cut)).toEqual({ text: '<think>Hm</think>Two.', tokenCount: 3, classId });
    expect(answer(routed(alice), thought('Hm'), answering, end).resumable).toBeUndefined();
  });

  it('UI5: is attributed to the last peer that was tried', () => {
    expect(answer(routed(alice), routed(bob), tokens('x')).host?.peerName).toBe('bob');
  });

  it('UI6: keeps what had arrived when it is stopped, and its figures stay unmeasured', () => {
    expect(answer(routed(alice), tokens('It'), { type: 'stopped' })).toMatchObject({
      content: 'It',
      host: { ttftMs: null, tokensPerSecond: null },
      status: { state: 'done', finish: 'stopped' },
    });
  });

  it('UI6: is not changed by a token that comes after Stop', () => {
    const stopped = answer(routed(alice), tokens('It'), { type: 'stopped' });
    expect(reduceAnswer(stopped, tokens(' late'), peers)).toBe(stopped);
  });

  it('UI7: keeps what had arrived when it fails, with the sentence of the error', () => {
    const failed = answer(routed(alice), tokens('It'), updateOfError(MeshError.peerLost('its tab was closed')));
    expect(failed.content).toBe('It');
    expect(failed.status).toMatchObject({ state: 'error', code: 'peer_lost' });
  });

  it("UI7: takes the user's own stop for no failure, and a fault of the page for one", () => {
    expect(updateOfError(MeshError.cancelled())).toEqual({ type: 'stopped' });
    expect(updateOfError(new TypeError('x is undefined'))).toMatchObject({ type: 'failed', code: 'engine_failed' });
  });

  it('UI8: keeps the explanation with names, and only the best of a large mesh', () => {
    const { route } = answer(routed(alice, 1_000));
    expect(route?.candidates[0]).toMatchObject({ peerName: 'alice', verdict: 'chosen', expectedMs: 100 });
    expect(route?.candidates).toHaveLength(8);
    expect(route?.more).toBe(992);
  });
});

describe('an answer that moves to another peer', () => {
  it('LC12: says who began and who finished, and is attributed to the last', () => {
    const moved = answer(routed(alice), tokens('It '), continuedBy(bob), tokens('measures.'));
    expect(moved).toMatchObject({
      content: 'It measures.',
      host: { peerName: 'bob' },
      begunBy: [{ peer: alice, peerName: 'alice', until: 3, sameBuild: true }],
    });
    expect(handoverText(moved)).toBe('Begun by alice, continued by bob');
    expect(handoverText(reduceAnswer(moved, end, peers))).toBe('Begun by alice, finished by bob');
  });

  it('LC12: says that another build of the model went on', () => {
    const moved = answer(routed(alice), tokens('It '), continuedBy(bob, 'other-class'), tokens('measures.'), end);
    expect(handoverText(moved)).toBe('Begun by alice, finished by bob with another build of the model');
  });

  it('LC12: leaves out a peer that was to go on and gave nothing', () => {
    const moved = answer(
      routed(alice),
      tokens('It '),
      continuedBy(bob),
      continuedBy(carol, 'other-class'),
      tokens('x'),
      end,
    );
    expect(handoverText(moved)).toBe('Begun by alice, finished by carol with another build of the model');
  });

  it('LC12: names each of several peers', () => {
    const moved = answer(
      routed(alice),
      tokens('a'),
      continuedBy(bob),
      tokens('b'),
      continuedBy(carol),
      tokens('c'),
      end,
    );
    expect(handoverText(moved)).toBe('Begun by alice, continued by bob, finished by carol');
  });

  it('LC12: is not one that was begun anew before its first token', () => {
    expect(handoverText(answer(routed(alice), routed(bob), tokens('x'), end))).toBeUndefined();
  });
});

describe('an answer that broke off', () => {
  const broken = [routed(alice), tokens('It '), tokens('measures'), updateOfError(MeshError.peerLost('it left'))];

  it('LC17: can be gone on with, by what was delivered and which build began it', () => {
    expect(beginningOf(answer(...broken))).toEqual({ text: 'It measures', tokenCount: 2, classId });
    const resumed = answer(...broken, { type: 'resumed' }, continuedBy(bob), tokens(' all.'));
    expect(resumed).toMatchObject({ content: 'It measures all.', status: { state: 'streaming' } });
    expect(resumed.resumable).toMatchObject({ tokenCount: 3 });
    expect(handoverText(reduceAnswer(resumed, end, peers))).toBe('Begun by alice, finished by bob');
  });

  it('LC17: that its own peer goes on with was not handed over', () => {
    expect(handoverText(answer(...broken, { type: 'resumed' }, continuedBy(alice), tokens(' all.'), end))).toBe(
      undefined,
    );
  });

  it('LC17: can not be gone on with before its first word, once it is whole, or by an unknown build', () => {
    expect(beginningOf(answer(routed(alice), updateOfError(MeshError.peerLost('it left'))))).toBeUndefined();
    expect(answer(routed(alice), tokens('It'), end).resumable).toBeUndefined();
    const unknown = { ...peers, classOf: () => undefined };
    const updates = broken.reduce(
      (message, update) => reduceAnswer(message, update, unknown),
      pendingAnswer('1', new Date(0)),
    );
    expect(beginningOf(updates)).toBeUndefined();
  });
});
