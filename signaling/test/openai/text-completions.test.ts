import { type AnswerEvent, MeshError } from '@tabmesh/shared';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { startListening } from '../setup/listening-server.ts';
import { JOB_ID, type ScriptedMesh, type ScriptStep } from '../setup/scripted-mesh.ts';
import { startServer } from '../setup/start-server.ts';

function start(script?: readonly ScriptStep[]) {
  const { mesh, app } = startServer(script);
  const post = (payload: object) => app.inject({ method: 'POST', url: '/v1/completions', payload });
  return { mesh, post };
}

const head = { id: `cmpl-${JOB_ID}`, object: 'text_completion', created: 1_800_000_000, model: 'mesh-tiny' };

describe('text completions', () => {
  it("AP66: have OpenAI's shape, usage and the headers of the mesh", async () => {
    const { mesh, post } = start();

    const reply = await post({ model: 'mesh-tiny', prompt: 'Once upon' });

    expect(reply.json()).toEqual({
      ...head,
      choices: [{ text: 'Hello there', index: 0, logprobs: null, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 2,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 2 },
      },
    });
    expect(reply.headers).toMatchObject({
      'x-tabmesh-served-by': 'mesh',
      'x-tabmesh-peer': mesh.servedBy,
      'x-tabmesh-job': JOB_ID,
      'x-tabmesh-sla-tier': 'experimental',
      'x-tabmesh-fallback-status': 'not-needed',
    });
  });

  it('AP67: ask each prompt as the one message of a user, with every field that is understood', async () => {
    const { mesh, post } = start();

    await post({
      prompt: 'Once upon',
      max_tokens: 9,
      temperature: 0,
      top_p: 0.5,
      seed: 42,
      stop: '\n',
      logprobs: 2,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      logit_bias: { '42': -100 },
      prompt_cache_key: 'c1',
      user: 'somebody',
      echo: false,
      suffix: null,
      best_of: 1,
    });

    expect(mesh.requests).toEqual([
      {
        client: expect.any(String),
        messages: [{ role: 'user', content: 'Once upon' }],
        maxTokens: 9,
        temperature: 0,
        topP: 0.5,
        seed: 42,
        stop: ['\n'],
        topLogprobs: 2,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        logitBias: { '42': -100 },
        conversationId: 'c1',
      },
    ]);
  });

  it('AP67: have 16 tokens unless told otherwise, as at OpenAI', async () => {
    const { mesh, post } = start();
    await post({ prompt: 'Once upon', stream: false });
    expect(mesh.requests).toEqual([
      { client: expect.any(String), messages: [{ role: 'user', content: 'Once upon' }], maxTokens: 16 },
    ]);
  });

  it('AP68: of several prompts and choices come in their order, with seeds of their own and one usage that counts each prompt once', async () => {
    const { mesh, post } = start();

    const reply = await post({ prompt: ['One', 'Two'], n: 2, seed: 7 });

    expect(reply.json().choices.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2, 3]);
    expect(reply.json().usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 8, total_tokens: 18 });
    expect(mesh.requests.map(({ messages, seed }) => [messages[0]?.content, seed])).toEqual([
      ['One', 7],
      ['One', 8],
      ['Two', 7],
      ['Two', 8],
    ]);
  });

  it('AP69: stream text by text and choice by choice, then a reason for each, the usage and [DONE]', async () => {
    const { post } = start([{ say: 'Say "hi"\n' }, { say: '' }, { say: ' 👋' }]);

    const reply = await post({ prompt: ['One', 'Two'], stream: true, stream_options: { include_usage: true } });

    expect(reply.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const events = eventsOf(reply.body);
    for (const index of [0, 1]) {
      const chunk = (text: string, finish_reason: string | null = null) => ({
        ...head,
        choices: [{ text, index, logprobs: null, finish_reason }],
        usage: null,
      });
      expect(events.filter((event) => indexOf(event) === index)).toEqual([
        chunk('Say "hi"\n'),
        chunk(' 👋'),
        chunk('', 'stop'),
      ]);
    }
    expect(events.at(-2)).toMatchObject({ ...head, choices: [], usage: { total_tokens: 16 } });
    expect(events.at(-1)).toBe('[DONE]');
  });

  it.each([false, true])(
    'AP70: tell the probability of each token and where it begins (stream: %s)',
    async (stream) => {
      const { mesh, post } = start();
      answerWith(mesh, [
        {
          token: 'Hi',
          logprob: -0.5,
          top: [
            { token: 'Hi', logprob: -0.5 },
            { token: 'Oh', logprob: -1 },
          ],
        },
        { token: ' you', logprob: -0.25, top: [] },
      ]);

      const reply = await post({ prompt: 'Once', logprobs: 2, stream });

      const told: { tokens: string[]; text_offset: number[] }[] = stream
        ? eventsOf(reply.body).flatMap((event) => (event as Chunk).choices?.[0]?.logprobs ?? [])
        : [reply.json().choices[0].logprobs];
      expect(told.flatMap(({ tokens }) => tokens)).toEqual(['Hi', ' you']);
      expect(told.flatMap(({ text_offset }) => text_offset)).toEqual([0, 2]);
      expect(told[0]).toMatchObject({
        token_logprobs: expect.arrayContaining([-0.5]),
        top_logprobs: [{ Hi: -0.5, Oh: -1 }, ...(stream ? [] : [{}])],
      });
    },
  );

  it.each([
    ['prompt', {}],
    ['prompt', { prompt: '' }],
    ['prompt', { prompt: [] }],
    ['prompt', { prompt: [1, 2] }],
    ['prompt', { prompt: [[1, 2]] }],
    ['prompt', { prompt: Array.from({ length: 21 }, () => 'a') }],
    ['n', { n: 0 }],
    ['n', { prompt: ['a', 'b', 'c'], n: 7 }],
    ['echo', { echo: true }],
    ['suffix', { suffix: 'the end' }],
    ['best_of', { best_of: 2 }],
    ['logprobs', { logprobs: 6 }],
    ['max_tokens', { max_tokens: 0 }],
    ['temperature', { temperature: 3 }],
    ['logit_bias.x', { logit_bias: { x: 1 } }],
    ['stop', { stop: '' }],
  ])('AP71: a wrong or refused %s is refused by its name', async (param, fields) => {
    const { mesh, post } = start();

    const reply = await post({ ...(param === 'prompt' ? {} : { prompt: 'Once' }), ...fields });

    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({
      code: 'invalid_request',
      param,
      message: expect.stringContaining(param),
    });
    expect(mesh.requests).toEqual([]);
  });

  it('AP72: that the mesh refuses are an HTTP error with the headers of the gate, and no other choice runs on', async () => {
    const { mesh, post } = start();
    const { complete } = mesh;
    mesh.complete = (request, signal) => {
      if (request.messages[0]?.content !== 'Two') return complete(request, signal);
      return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(MeshError.noPeerWithModel('mesh-tiny')) }) };
    };
    mesh.script = [{ say: 'Hello' }, 'hang'];

    const reply = await post({ prompt: ['One', 'Two'], stream: true });

    expect(reply.statusCode).toBe(503);
    expect(reply.headers).toMatchObject({
      'retry-after': expect.any(String),
      'x-tabmesh-sla-status': expect.any(String),
    });
    await mesh.cancelled;
  });

  it('AP72: that fail after their first text end with an error event', async () => {
    const { post } = start([{ say: 'Half' }, { fail: MeshError.peerLost('silent for 6 s') }]);

    const reply = await post({ prompt: 'Once', stream: true });

    expect(eventsOf(reply.body).at(-1)).toMatchObject({ error: { code: 'upstream_failed', type: 'server_error' } });
  });
});

describe("OpenAI's own client", () => {
  it('AP73: completes, streams, leaves and raises its own errors', async () => {
    const { openai, mesh } = await startListening();
    const ask = { model: 'mesh-tiny', prompt: 'Once upon' };

    expect((await openai.completions.create(ask)).choices[0]?.text).toBe('Hello there');
    let text = '';
    for await (const chunk of await openai.completions.create({ ...ask, stream: true })) text += chunk.choices[0]?.text;
    expect(text).toBe('Hello there');
    await expect(openai.completions.create({ ...ask, suffix: 'end' })).rejects.toThrow(OpenAI.BadRequestError);
    await expect(openai.completions.create({ ...ask, model: 'nothing-like-it' })).rejects.toThrow(OpenAI.NotFoundError);
    mesh.script = [{ say: 'One' }, 'hang'];
    for await (const _chunk of await openai.completions.create({ ...ask, stream: true })) break;
    await mesh.cancelled;
  });
});

interface Chunk {
  readonly choices?: readonly {
    readonly index: number;
    readonly logprobs: { tokens: string[]; text_offset: number[] } | null;
  }[];
}

function indexOf(event: unknown): number | undefined {
  return (event as Chunk).choices?.[0]?.index;
}

type Likelihoods = NonNullable<Extract<AnswerEvent, { type: 'tokens' }>['logprobs']>;

/** The answer is these tokens, one by one. */
function answerWith(mesh: ScriptedMesh, tokens: Likelihoods): void {
  const { complete } = mesh;
  mesh.script = tokens.map(({ token }) => ({ say: token }));
  mesh.complete = async function* (request, signal) {
    let next = 0;
    for await (const event of complete(request, signal)) {
      if (event.type !== 'tokens') yield event;
      else yield { ...event, logprobs: tokens.slice(next, ++next) };
    }
  };
}

function eventsOf(body: string): unknown[] {
  return body
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => event.replace(/^data: /, ''))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}
