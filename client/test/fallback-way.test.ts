import { MeshError, ModelId, PeerId } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnswerUpdate } from '../src/conversations/answer-reducer.ts';
import { eventData } from '../src/fallback/event-data.ts';
import { createFallbackWay } from '../src/fallback/fallback-way.ts';

const model = ModelId.parse('Qwen3-8B');
const bob = PeerId.parse(`${'b'.repeat(42)}A`);
const question = { messages: [{ role: 'user' as const, content: 'Hi' }], conversationId: 'c1' };
const byProvider = { 'x-tabmesh-served-by': 'fallback', 'x-tabmesh-fallback-status': 'used' };

const event = (data: object | string) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const says = (content: string) => event({ choices: [{ delta: { content }, finish_reason: null }] });
const stops = (reason = 'stop') => event({ choices: [{ delta: {}, finish_reason: reason }] });
const counts = (completion: number) =>
  event({ choices: [], usage: { prompt_tokens: 7, completion_tokens: completion, total_tokens: 7 + completion } });
const done = event('[DONE]');

/** Sends its texts one by one; a number lets that many milliseconds pass before the next. */
function bodyOf(clock: ManualClock, steps: readonly (string | number)[]): ReadableStream<Uint8Array> {
  const waiting = [...steps];
  return new ReadableStream({
    async pull(controller) {
      const step = waiting.shift();
      if (step === undefined) controller.close();
      else if (typeof step === 'string') controller.enqueue(new TextEncoder().encode(step));
      else await clock.advance(step);
    },
  });
}

async function ask(steps: readonly (string | number)[], headers: Record<string, string> = byProvider, status = 200) {
  const clock = new ManualClock();
  const bodies: object[] = [];
  const way = createFallbackWay({
    host: 'api.example.com',
    model,
    clock,
    async post(body) {
      bodies.push(body);
      return new Response(bodyOf(clock, steps), { status, headers });
    },
  });
  const updates: AnswerUpdate[] = [];
  let error: unknown;
  try {
    for await (const update of way.complete(question, new AbortController().signal)) updates.push(update);
  } catch (thrown) {
    error = thrown;
  }
  return { bodies, updates, error };
}

const textOf = (updates: readonly AnswerUpdate[]) =>
  updates.map((update) => (update.type === 'tokens' ? update.text : '')).join('');

describe('a question by HTTP', () => {
  it("OP5: names the model of the notice and asks for a stream with the server's count", async () => {
    const { bodies } = await ask([says('Hi'), stops(), counts(1), done]);
    expect(bodies).toEqual([
      {
        model,
        messages: question.messages,
        stream: true,
        stream_options: { include_usage: true },
        prompt_cache_key: 'c1',
      },
    ]);
  });

  it('OP5: becomes the updates of an answer, with figures measured here and tokens counted there', async () => {
    const { updates, error } = await ask([
      200,
      says('One '),
      500,
      says('two'),
      500,
      says(' three'),
      stops(),
      counts(21),
      done,
    ]);
    expect(error).toBeUndefined();
    expect(updates[0]).toEqual({ type: 'served', peer: null, model });
    expect(textOf(updates)).toBe('One two three');
    expect(updates.at(-1)).toMatchObject({
      type: 'end',
      reason: 'stop',
      usage: { promptTokens: 7, completionTokens: 21 },
      ttftMs: 200,
      tokensPerSecond: 20,
    });
  });

  it('TH22: has the thoughts of the entry marked, and its first token may be one', async () => {
    const thinks = event({ choices: [{ delta: { reasoning_content: 'Hm.' }, finish_reason: null }] });
    const { updates } = await ask([100, thinks, 100, says('One'), stops(), counts(2), done]);
    expect(updates.filter(({ type }) => type === 'tokens')).toEqual([
      { type: 'tokens', text: 'Hm.', tokenCount: 1, thought: true },
      { type: 'tokens', text: 'One', tokenCount: 1 },
    ]);
    expect(updates.at(-1)).toMatchObject({ type: 'end', ttftMs: 100 });
  });

  it('OP5: has no rate when nobody counted the tokens, and says when the length limit ended it', async () => {
    const { updates } = await ask([100, says('One'), 100, says(' two'), stops('length'), done]);
    expect(updates.at(-1)).toMatchObject({ type: 'end', reason: 'length', ttftMs: 100, tokensPerSecond: null });
  });

  it.each(['not-needed', 'over-budget', 'fallback-disabled'])(
    'OP7: that the mesh answered after all (%s) names the peer, and that nobody else saw it',
    async (status) => {
      const headers = { 'x-tabmesh-served-by': 'mesh', 'x-tabmesh-fallback-status': status, 'x-tabmesh-peer': bob };
      const { updates } = await ask([says('Hi'), stops(), counts(1), done], headers);
      expect(updates.slice(0, 2)).toEqual([{ type: 'unseen' }, { type: 'served', peer: bob, model }]);
    },
  );

  it('OP7: that a provider failed to answer is not taken for unseen', async () => {
    const headers = {
      'x-tabmesh-served-by': 'mesh',
      'x-tabmesh-fallback-status': 'upstream-failed',
      'x-tabmesh-peer': bob,
    };
    const { updates } = await ask([says('Hi'), stops(), counts(1), done], headers);
    expect(updates[0]).toEqual({ type: 'served', peer: bob, model });
  });

  it('OP7: an answer whose headers do not say who gave it is taken for the provider’s', async () => {
    const { updates } = await ask([says('Hi'), stops(), done], {});
    expect(updates[0]).toEqual({ type: 'served', peer: null, model });
  });

  it("OP9: fails with the entry's own code and sentence", async () => {
    const error = {
      message: 'Every peer is busy. Try again.',
      type: 'rate_limit_error',
      code: 'mesh_busy',
      param: null,
    };
    const refused = await ask([JSON.stringify({ error })], { 'x-tabmesh-fallback-status': 'not-needed' }, 429);
    expect(refused.error).toMatchObject({ code: 'mesh_busy', message: 'Every peer is busy. Try again.' });
    expect(refused.updates).toEqual([{ type: 'unseen' }]);

    const midway = await ask([says('One'), event({ error: { ...error, code: 'upstream_failed' } })]);
    expect(textOf(midway.updates)).toBe('One');
    expect(midway.error).toMatchObject({ code: 'upstream_failed' });
  });

  it.each([
    ['a reply that is no answer', ['<html>'], 502],
    ['an answer without an end', [says('One')], 200],
    ['an event that is no JSON', [event('One')], 200],
  ])('OP9: %s fails with what to do', async (_what, steps, status) => {
    const { error } = await ask(steps, byProvider, status);
    expect(error).toMatchObject({ code: 'upstream_failed', message: expect.stringMatching(/ask again/i) });
  });

  it('OP9: an entry that can not be reached fails with what to do, and a stop is no failure', async () => {
    const post = () => Promise.reject(new TypeError('Failed to fetch'));
    const way = createFallbackWay({ host: 'api.example.com', model, clock: new ManualClock(), post });
    const stopped = new AbortController();
    const first = (signal: AbortSignal) => way.complete(question, signal)[Symbol.asyncIterator]().next();
    await expect(first(stopped.signal)).rejects.toMatchObject({ code: 'connection_failed' });
    stopped.abort();
    await expect(first(stopped.signal)).rejects.toSatisfy((error) => MeshError.is(error, 'cancelled'));
  });
});

describe('the events of a stream', () => {
  const text = ': hello\r\nid: 1\r\ndata: Grüße\r\n\r\ndata:two\ndata: lines\n\ndata: last\r\n\r\n';
  const bytes = new TextEncoder().encode(text);

  async function read(parts: readonly Uint8Array[]): Promise<string[]> {
    const events: string[] = [];
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of parts) controller.enqueue(part);
        controller.close();
      },
    });
    for await (const data of eventData(body)) events.push(data);
    return events;
  }

  it('OP11: are the same however the bytes were cut', async () => {
    const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(cuts, async (positions) => {
        const edges = [0, ...positions.sort((a, b) => a - b), bytes.length];
        const parts = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
        expect(await read(parts)).toEqual(['Grüße', 'two\nlines', 'last']);
      }),
    );
  });

  it('OP11: do not include one that was cut off', async () => {
    expect(await read([new TextEncoder().encode('data: one\n\ndata: tw')])).toEqual(['one']);
  });

  it('OP11: have a largest size', async () => {
    await expect(read([new TextEncoder().encode(`data: ${'x'.repeat(2 ** 20)}`)])).rejects.toMatchObject({
      code: 'upstream_failed',
    });
  });
});
