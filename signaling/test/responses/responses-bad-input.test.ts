import { MeshError } from '@tabmesh/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startListening } from '../setup/listening-server.ts';
import type { ScriptStep } from '../setup/scripted-mesh.ts';
import { startResponses, weather } from '../setup/start-responses.ts';
import { startServer } from '../setup/start-server.ts';

describe('a response that is refused', () => {
  it.each([
    ['input', { input: undefined }],
    ['input', { input: 7 }],
    ['input', { input: [] }],
    ['input[0].type', { input: [{ type: 'compaction', encrypted_content: 'x' }] }],
    ['input[0].id', { input: [{ type: 'item_reference' }] }],
    ['input[0].role', { input: [{ role: 'wizard', content: 'Hi' }] }],
    ['input[0].content[0].type', { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] }],
    ['input[0].call_id', { input: [{ type: 'function_call_output', output: 'x' }] }],
    ['store', { store: 'yes' }],
    ['previous_response_id', { previous_response_id: 7 }],
    ['conversation', { conversation: 'conv_1' }],
    ['background', { background: true, store: false }],
    ['background', { background: 'yes' }],
    ['truncation', { truncation: 'some' }],
    ['prompt', { prompt: { id: 'p' } }],
    ['include', { include: ['everything'] }],
    ['tools[0].type', { tools: [{ type: 'wizardry' }] }],
    ['tools[0].tools[0].type', { tools: [{ type: 'namespace', name: 'a', tools: [{ type: 'web_search' }] }] }],
    ['tools[0].tools[1].name', { tools: [{ type: 'namespace', name: 'a', tools: [weather, weather] }] }],
    ['tools[0].format.type', { tools: [{ type: 'custom', name: 'a', format: { type: 'xml' } }] }],
    ['tool_choice', { tools: [weather], tool_choice: { type: 'allowed_tools', tools: [{ type: 'web_search' }] } }],
    ['max_tool_calls', { max_tool_calls: 0 }],
    ['reasoning.effort', { reasoning: { effort: 7 } }],
    ['tools[0].name', { tools: [{ ...weather, name: 'no name' }] }],
    ['tools[1].name', { tools: [weather, weather] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['tool_choice', { tools: [weather], tool_choice: { type: 'web_search' } }],
    ['text.format.type', { text: { format: { type: 'xml' } } }],
    ['text.format.schema.type', { text: { format: { type: 'json_schema', name: 'a', schema: { type: 'thing' } } } }],
    ['temperature', { temperature: 3 }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['top_logprobs', { top_logprobs: 21 }],
  ])('AP88: names the field %s, and the mesh is not asked', async (param, fields) => {
    const { mesh, post } = startResponses();

    const reply = await post({ input: 'Hi', ...fields });

    expect(reply.statusCode).toBe(400);
    const { error } = reply.json();
    expect(error).toMatchObject({ code: 'invalid_request', param, message: expect.stringContaining(param) });
    expect(error.message).toMatch(/\.$/);
    expect(mesh.requests).toEqual([]);
  });

  it('AP88: names its own field where no peer can do what it asks for', async () => {
    for (const [param, told, fields] of [
      ['response_format', 'text.format', { text: { format: { type: 'json_object' } } }],
      ['response_format', 'tool_choice', { tools: [weather], tool_choice: 'required' }],
      ['logprobs', 'include', { include: ['message.output_text.logprobs'] }],
    ] as const) {
      const { post } = startResponses([
        { fail: new MeshError('invalid_request', 'A sentence.', { details: { param } }) },
      ]);
      expect((await post({ input: 'Hi', ...fields })).json().error).toMatchObject({
        param: told,
        message: 'A sentence.',
      });
    }
  });

  it('AP88: says how to go on without what is not stored', async () => {
    for (const fields of [
      { conversation: 'conv_1' },
      { previous_response_id: 'resp_1' },
      { input: [{ type: 'item_reference', id: 'msg_1' }] },
    ]) {
      const { message } = (await startResponses().post({ input: 'Hi', ...fields })).json().error;
      expect(message).toMatch(/send the (whole )?conversation (itself )?as input/i);
    }
  });
});

describe('the endpoints beside chat', () => {
  const headers = { 'content-type': 'application/json' };

  it.each(['embeddings', 'completions', 'responses'])('AP10: no body whatever makes a 500 (%s)', async (endpoint) => {
    const { app, mesh } = startServer();
    mesh.embed = async ({ inputs }) => {
      const vectors = inputs.map(() => Float32Array.of(1));
      return { model: mesh.models()[0]?.id as never, peerId: mesh.servedBy, vectors, promptTokens: 1 };
    };
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom('user', 'text', 'message', 'function', 1, true, null));
    const part = fc.record({ type: fc.oneof(field, fc.constantFrom('input_text', 'refusal')), text: field });
    const item = fc.record({
      type: fc.oneof(
        field,
        fc.constantFrom(
          'function_call',
          'function_call_output',
          'item_reference',
          'custom_tool_call',
          'namespace',
          'custom',
        ),
      ),
      id: field,
      role: field,
      content: fc.oneof(field, fc.array(part)),
      call_id: field,
      name: field,
      arguments: field,
      output: field,
    });
    const names = [
      'model',
      'stream',
      'n',
      'echo',
      'logprobs',
      'seed',
      'tools',
      'tool_choice',
      'text',
      'store',
      'background',
      'previous_response_id',
      'truncation',
      'reasoning',
      'max_tool_calls',
      'include',
    ];
    const body = fc.record(
      {
        ...Object.fromEntries(names.map((name) => [name, field])),
        tools: fc.oneof(field, fc.array(fc.oneof(field, item))),
        input: fc.oneof(field, fc.string(), fc.array(fc.oneof(field, item, fc.string()))),
        prompt: fc.oneof(field, fc.string(), fc.array(fc.oneof(field, fc.string()))),
      },
      { requiredKeys: [] },
    );
    const payloads = fc.oneof(
      fc.string(),
      fc.oneof(fc.jsonValue(), body).map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(payloads, async (payload) => {
        const reply = await app.inject({ method: 'POST', url: `/v1/${endpoint}`, payload, headers });
        expect([200, 400, 404, 503]).toContain(reply.statusCode);
        if (reply.statusCode !== 200) expect(reply.json().error.message).toMatch(/\.$/);
      }),
      { numRuns: 60 },
    );
  });

  const asks: [string, object][] = [
    ['completions', { prompt: 'Hi' }],
    ['responses', { input: 'Hi' }],
  ];

  it.each(asks)('AP20: a client of %s that does not read holds the mesh, not the memory', async (endpoint, ask) => {
    const chunk = 'x'.repeat(64 * 1024);
    const script: ScriptStep[] = Array.from({ length: 1_000 }, () => ({ say: chunk }));
    const { mesh, url } = await startListening(script);
    const abort = new AbortController();
    const body = JSON.stringify({ ...ask, stream: true });
    await fetch(`${url}/v1/${endpoint}`, { method: 'POST', headers, body, signal: abort.signal });
    // By the time that another request is answered all of it would have been taken.
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    expect(mesh.stepsTaken).toBeLessThan(script.length / 2);
    abort.abort();
    await mesh.cancelled;
  });

  it.each(asks)('AP19: a client of %s that leaves before the first token cancels its job', async (endpoint, body) => {
    const { mesh, url } = await startListening(['hang']);
    const abort = new AbortController();
    const { signal } = abort;
    const asking = fetch(`${url}/v1/${endpoint}`, { method: 'POST', headers, body: JSON.stringify(body), signal });
    const aborted = expect(asking).rejects.toThrow('aborted');

    await mesh.asked;
    abort.abort();

    await aborted;
    await mesh.cancelled;
  });

  it('AP10: no nesting whatever makes a 500', async () => {
    const { app } = startServer();
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    for (const field of ['input', 'metadata', 'tools', 'tool_choice', 'text', 'include', 'junk']) {
      const tools = `[{"type": "function", "name": "a", "junk": ${deep}}]`;
      const format = `{"format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "default": ${deep}}}}`;
      const value = field === 'tools' ? tools : field === 'text' ? format : deep;
      const payload = `{${field === 'input' ? '' : '"input": "Hi", '}"${field}": ${value}}`;
      const reply = await app.inject({ method: 'POST', url: '/v1/responses', payload, headers });
      expect([200, 400]).toContain(reply.statusCode);
    }
  });
});
