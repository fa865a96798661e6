import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { JOB_ID } from '../setup/scripted-mesh.ts';
import { eventsOf, question, startServer } from '../setup/start-server.ts';

describe('an answer in one piece', () => {
  it("AP1: has OpenAI's shape, usage included, and names the peer and the job in its headers", async () => {
    const { mesh, post } = startServer();

    const reply = await post(question);

    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toEqual({
      id: `chatcmpl-${JOB_ID}`,
      object: 'chat.completion',
      created: 1_800_000_000,
      model: 'mesh-tiny',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello there', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 5,
        completion_tokens: 2,
        total_tokens: 7,
        prompt_tokens_details: { cached_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    });
    expect(reply.headers).toMatchObject({
      'x-tabmesh-served-by': 'mesh',
      'x-tabmesh-peer': mesh.servedBy,
      'x-tabmesh-job': JOB_ID,
    });
  });

  it('AP1: /api/chat answers the same', async () => {
    const { app } = startServer();

    const reply = await app.inject({
      method: 'POST',
      url: '/api/chat',
      payload: question,
    });

    expect(reply.json().choices[0].message.content).toBe('Hello there');
  });

  it('AP2: every field that is understood reaches the mesh', async () => {
    const { mesh, post } = startServer();

    await post({
      model: 'mesh-tiny',
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'One' },
            { type: 'text', text: ' two' },
          ],
        },
        { role: 'assistant', content: null },
      ],
      max_tokens: 9,
      max_completion_tokens: 7,
      temperature: 0,
      top_p: 0.5,
      seed: 42,
      stop: '\n',
      prompt_cache_key: 'c1',
      user: 'somebody',
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'thing', strict: true, schema: { $ref: '#/$defs/a', $defs: { a: { type: 'object' } } } },
      },
      logprobs: true,
      top_logprobs: 3,
      logit_bias: { 42: -100 },
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
    });

    expect(mesh.requests).toEqual([
      {
        client: expect.any(String),
        model: 'mesh-tiny',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'One two' },
          { role: 'assistant', content: '' },
        ],
        maxTokens: 7,
        temperature: 0,
        topP: 0.5,
        seed: 42,
        stop: ['\n'],
        responseFormat: { type: 'json_schema', schema: { type: 'object' } },
        topLogprobs: 3,
        logitBias: { 42: -100 },
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        conversationId: 'c1',
      },
    ]);
  });

  it('AP2: null counts as absent, and so does a feature that is switched off', async () => {
    const { mesh, post } = startServer();
    const off = {
      tools: [],
      tool_choice: 'none',
      response_format: { type: 'text' },
      n: 1,
      logprobs: false,
      top_logprobs: 0,
      presence_penalty: 0,
      frequency_penalty: 0,
      parallel_tool_calls: false,
    };
    const absent = {
      model: null,
      temperature: null,
      stop: null,
      stream: null,
      stream_options: null,
      logit_bias: {},
    };

    const reply = await post({ ...question, ...off, ...absent });

    expect(reply.statusCode).toBe(200);
    expect(mesh.requests[0]).toEqual({
      client: expect.any(String),
      messages: [{ role: 'user', content: 'Hi' }],
    });
  });
});

describe('a streamed answer', () => {
  it('AP3: is a role, the texts, a reason and [DONE], each one chunk of one id', async () => {
    const { post } = startServer([{ say: 'Say "hi"\n' }, { say: '' }, { say: '\u2028 é 👋' }]);

    const reply = await post({ ...question, stream: true });

    expect(reply.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(reply.headers['x-tabmesh-job']).toBe(JOB_ID);
    expect(reply.headers['cross-origin-embedder-policy']).toBe('require-corp');
    const shared = {
      id: `chatcmpl-${JOB_ID}`,
      object: 'chat.completion.chunk',
      created: 1_800_000_000,
      model: 'mesh-tiny',
    };
    const chunk = (delta: object, finish_reason: string | null = null) => ({
      ...shared,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    });
    expect(eventsOf(reply.body)).toEqual([
      chunk({ role: 'assistant', content: '', refusal: null }),
      chunk({ content: 'Say "hi"\n' }),
      chunk({ content: '\u2028 é 👋' }),
      chunk({}, 'stop'),
      '[DONE]',
    ]);
  });

  it('AP3: include_usage adds a last chunk with the usage and a null one to all others', async () => {
    const { post } = startServer([{ say: 'Hi' }]);

    const reply = await post({
      ...question,
      stream: true,
      stream_options: { include_usage: true },
    });

    const events = eventsOf(reply.body);
    expect(events.slice(0, -2).map((event) => (event as { usage: unknown }).usage)).toEqual([null, null, null]);
    expect(events.at(-2)).toMatchObject({
      choices: [],
      usage: { total_tokens: 6 },
    });
  });

  it('AP4: an error before the first token is an HTTP error', async () => {
    const { post } = startServer([{ fail: MeshError.meshBusy(3_200) }]);

    const reply = await post({ ...question, stream: true });

    expect(reply.statusCode).toBe(429);
    expect(reply.headers['retry-after']).toBe('4');
    expect(reply.json().error).toMatchObject({
      code: 'mesh_busy',
      type: 'rate_limit_error',
      param: null,
    });
  });

  it('AP4: an error after the first token is an error event, then the stream ends', async () => {
    const { post } = startServer([{ say: 'Half' }, { fail: MeshError.peerLost('silent for 6 s') }]);

    const reply = await post({ ...question, stream: true });

    expect(reply.statusCode).toBe(200);
    expect(eventsOf(reply.body).at(-1)).toEqual({
      error: {
        message: expect.stringContaining('Try again'),
        type: 'server_error',
        code: 'upstream_failed',
        param: null,
      },
    });
  });
});
