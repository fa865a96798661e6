import { type AnswerEvent, MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { startListening } from '../setup/listening-server.ts';
import { JOB_ID } from '../setup/scripted-mesh.ts';
import { call, eventsOf, startResponses, weather } from '../setup/start-responses.ts';

describe('a response in one piece', () => {
  it("AP80: has OpenAI's shape, usage, its settings and the headers of the mesh", async () => {
    const { mesh, post } = startResponses();

    const reply = await post({
      model: 'mesh-tiny',
      input: 'Hi',
      temperature: 0.5,
      metadata: { a: 'b' },
      store: false,
    });

    expect(reply.json()).toEqual({
      id: `resp_${JOB_ID}`,
      object: 'response',
      created_at: 1_800_000_000,
      completed_at: 1_800_000_000,
      status: 'completed',
      background: false,
      error: null,
      frequency_penalty: 0,
      incomplete_details: null,
      instructions: null,
      max_output_tokens: null,
      max_tool_calls: null,
      metadata: { a: 'b' },
      model: 'mesh-tiny',
      output: [
        {
          type: 'message',
          id: `msg_${JOB_ID}0`,
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hello there', annotations: [], logprobs: [] }],
        },
      ],
      parallel_tool_calls: true,
      presence_penalty: 0,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: { effort: null, summary: null },
      safety_identifier: null,
      service_tier: 'default',
      store: false,
      temperature: 0.5,
      text: { format: { type: 'text' }, verbosity: 'medium' },
      tool_choice: 'auto',
      tools: [],
      top_logprobs: 0,
      top_p: 1,
      truncation: 'disabled',
      user: null,
      usage: {
        input_tokens: 5,
        input_tokens_details: { cached_tokens: 2 },
        output_tokens: 2,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 7,
      },
    });
    expect(reply.headers).toMatchObject({
      'x-tabmesh-served-by': 'mesh',
      'x-tabmesh-peer': mesh.servedBy,
      'x-tabmesh-job': JOB_ID,
      'x-tabmesh-sla-tier': 'experimental',
    });
  });

  it('AP81: is asked with the instructions first and every field that is understood', async () => {
    const { mesh, post } = startResponses();
    const schema = { type: 'object', properties: { a: { type: 'string' } } };

    await post({
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'Be kind.' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'One' },
            { type: 'input_text', text: ' two' },
          ],
        },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Three' }],
        },
        { role: 'user', content: 'Four' },
      ],
      max_output_tokens: 9,
      temperature: 0,
      top_p: 0.5,
      seed: 42,
      include: ['message.output_text.logprobs', 'reasoning.encrypted_content'],
      top_logprobs: 2,
      text: { format: { type: 'json_schema', name: 'thing', schema, strict: true } },
      prompt_cache_key: 'c1',
      reasoning: { effort: 'low' },
      truncation: 'disabled',
      background: false,
    });

    expect(mesh.requests).toEqual([
      {
        client: expect.any(String),
        messages: [
          { role: 'system', content: 'Be brief.\n\nBe kind.' },
          { role: 'user', content: 'One two' },
          { role: 'assistant', content: 'Three' },
          { role: 'user', content: 'Four' },
        ],
        maxTokens: 9,
        temperature: 0,
        topP: 0.5,
        seed: 42,
        responseFormat: { type: 'json_schema', schema },
        topLogprobs: 2,
        thinking: true,
        conversationId: 'c1',
      },
    ]);
  });

  it('AP81: of plain text asks for nothing else', async () => {
    const { mesh, post } = startResponses();
    await post({ input: 'Hi', tools: [], tool_choice: 'none', text: { format: { type: 'text' } }, include: null });
    expect(mesh.requests).toEqual([{ client: expect.any(String), messages: [{ role: 'user', content: 'Hi' }] }]);
  });

  it('AP82: that was cut is incomplete and says why', async () => {
    const { mesh, post } = startResponses();
    const { complete } = mesh;
    mesh.complete = async function* (request, signal) {
      for await (const event of complete(request, signal))
        yield event.type === 'end' ? { ...event, reason: 'length' } : event;
    };

    const response = (await post({ input: 'Hi', max_output_tokens: 2 })).json();

    expect(response).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ status: 'incomplete', content: [{ text: 'Hello there' }] }],
    });
  });

  it('AP82: without a word is a message without a word', async () => {
    const { post } = startResponses([{ say: '' }]);
    expect((await post({ input: 'Hi' })).json()).toMatchObject({
      status: 'completed',
      output: [{ content: [{ text: '' }] }],
    });
  });

  it('AP83: has the probability of each token where it is asked for', async () => {
    const { mesh, post } = startResponses([{ say: 'Hé' }]);
    const { complete } = mesh;
    mesh.complete = async function* (request, signal): AsyncGenerator<AnswerEvent> {
      const logprobs = [{ token: 'Hé', logprob: -0.5, top: [{ token: 'Oh', logprob: -1 }] }];
      for await (const event of complete(request, signal))
        yield event.type === 'tokens' ? { ...event, logprobs } : event;
    };

    const { output } = (await post({ input: 'Hi', include: ['message.output_text.logprobs'] })).json();

    expect(output[0].content[0].logprobs).toEqual([
      {
        token: 'Hé',
        logprob: -0.5,
        bytes: [72, 195, 169],
        top_logprobs: [{ token: 'Oh', logprob: -1, bytes: [79, 104] }],
      },
    ]);
  });
});

describe('a streamed response', () => {
  it("AP84: is OpenAI's events in their order, numbered, and ends with the response of one piece", async () => {
    const script = [{ say: 'Hello' }, { say: '' }, { say: ' there' }];
    const whole = (await startResponses(script).post({ input: 'Hi' })).json();

    const reply = await startResponses(script).post({ input: 'Hi', stream: true });

    expect(reply.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const events = eventsOf(reply.body);
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events[0]).toMatchObject({ response: { id: whole.id, status: 'in_progress', output: [], usage: null } });
    expect(events[2]).toMatchObject({
      output_index: 0,
      item: { id: whole.output[0].id, status: 'in_progress', content: [] },
    });
    const place = { item_id: whole.output[0].id, output_index: 0, content_index: 0 };
    expect(events[3]).toMatchObject({ ...place, part: { type: 'output_text', text: '' } });
    expect(events[5]).toMatchObject({ ...place, delta: ' there', logprobs: [] });
    expect(events[6]).toMatchObject({ ...place, text: 'Hello there' });
    expect(events[7]).toMatchObject({ ...place, part: whole.output[0].content[0] });
    expect(events[8]).toMatchObject({ output_index: 0, item: whole.output[0] });
    expect(events[9]?.response).toEqual(whole);
  });

  it('AP85: that fails before its first token is an HTTP error, after it response.failed with what had come', async () => {
    const refused = await startResponses([{ fail: MeshError.meshBusy(3_200) }]).post({ input: 'Hi', stream: true });
    const failed = await startResponses([{ say: 'Half' }, { fail: MeshError.peerLost('gone') }]).post({
      input: 'Hi',
      stream: true,
    });

    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('4');
    expect(eventsOf(failed.body).at(-1)).toMatchObject({
      type: 'response.failed',
      response: {
        status: 'failed',
        error: { code: 'upstream_failed', message: expect.stringContaining('Try again') },
        output: [{ status: 'incomplete', content: [{ text: 'Half' }] }],
      },
    });
  });
});

describe("OpenAI's own client", () => {
  it('AP89: asks, streams, calls functions and parses JSON through responses', async () => {
    const { openai, mesh } = await startListening();
    const ask = { model: 'mesh-tiny', input: 'Hi' };
    expect((await openai.responses.create(ask)).output_text).toBe('Hello there');

    const stream = openai.responses.stream(ask);
    const deltas: string[] = [];
    stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta));
    expect((await stream.finalResponse()).output_text).toBe('Hello there');
    expect(deltas).toEqual(['Hello', ' there']);

    mesh.script = [{ say: '{"a": ' }, { say: '1}' }];
    const format = { type: 'json_schema' as const, name: 'thing', schema: { type: 'object' }, strict: true };
    expect((await openai.responses.parse({ ...ask, text: { format } })).output_text).toBe('{"a": 1}');

    mesh.script = [{ say: call }];
    const tools = [{ ...weather, type: 'function' as const }];
    const called = await openai.responses.stream({ ...ask, tools }).finalResponse();
    expect(called.output).toMatchObject([{ type: 'function_call', name: 'weather', arguments: '{"city": "Paris"}' }]);

    mesh.script = [{ say: 'One' }, 'hang'];
    for await (const event of await openai.responses.create({ ...ask, stream: true })) {
      if (event.type === 'response.output_text.delta') break;
    }
    await mesh.cancelled;
  });
});
