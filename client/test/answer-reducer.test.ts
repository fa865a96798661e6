import { JobId, MeshError, ModelId, PeerId, type RouteExplanation } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { type AnswerUpdate, reduceAnswer, updateOfError } from '../src/state/answer-reducer.ts';
import { pendingAnswer } from '../src/state/conversation.ts';

const alice = PeerId.parse('a'.repeat(43));
const bob = PeerId.parse('b'.repeat(43));
const model = ModelId.parse('mesh-tiny');
const names: Record<string, string> = { [alice]: 'alice', [bob]: 'bob' };
const nameOf = (peerId: PeerId) => names[peerId] ?? '?';

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
const routed = (peerId: PeerId, candidates = 2): AnswerUpdate => ({
  type: 'route',
  jobId: JobId.parse('0'.repeat(32)),
  peerId,
  model,
  continues: null,
  explanation: explanation(candidates),
});
const tokens = (text: string): AnswerUpdate => ({ type: 'tokens', text, tokenCount: 1 });
const end: AnswerUpdate = {
  type: 'end',
  reason: 'stop',
  usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0 },
  ttftMs: 84,
  tokensPerSecond: 41,
};
const answer = (...updates: AnswerUpdate[]) =>
  updates.reduce((message, update) => reduceAnswer(message, update, nameOf), pendingAnswer('1', new Date(0)));

describe('an answer', () => {
  it('UI5: grows by its tokens and ends with the figures of the peer that served it', () => {
    expect(answer(routed(alice), tokens('It '), tokens('measures.'), end)).toMatchObject({
      content: 'It measures.',
      sender: alice,
      host: { peer: alice, peerName: 'alice', model, ttftMs: 84, tokensPerSecond: 41 },
      status: { state: 'done', finish: 'stop' },
    });
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
    expect(reduceAnswer(stopped, tokens(' late'), nameOf)).toBe(stopped);
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
