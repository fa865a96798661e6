import { MeshError, type MeshErrorCode } from '@tabmesh/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { question, startServer } from '../setup/start-server.ts';

const tool = { type: 'function', function: { name: 'f' } };

describe('errors', () => {
  it.each<[MeshErrorCode, number, string]>([
    ['context_length_exceeded', 400, 'context_length_exceeded'],
    ['invalid_request', 400, 'invalid_request'],
    ['unauthorized', 401, 'invalid_api_key'],
    ['model_not_found', 404, 'model_not_found'],
    ['payload_too_large', 413, 'payload_too_large'],
    ['mesh_busy', 429, 'mesh_busy'],
    ['peer_busy', 429, 'mesh_busy'],
    ['peer_lost', 502, 'upstream_failed'],
    ['engine_failed', 502, 'upstream_failed'],
    ['no_peer_with_model', 503, 'no_peer_with_model'],
    ['peer_draining', 503, 'no_peer_with_model'],
  ])('AP5: %s of the mesh becomes %i %s', async (code, status, apiCode) => {
    const { post } = startServer([{ fail: new MeshError(code, 'A sentence.') }]);

    const reply = await post(question);

    expect(reply.statusCode).toBe(status);
    expect(reply.json()).toEqual({
      error: {
        message: 'A sentence.',
        type: expect.stringMatching(/_error$/),
        code: apiCode,
        param: null,
      },
    });
    expect('retry-after' in reply.headers).toBe(status === 429 || status === 503);
  });

  it.each([
    ['Nothing-Like-It', 404, 'model_not_found'],
    ['not a model id!', 404, 'model_not_found'],
    ['Qwen3-8B', 503, 'no_peer_with_model'],
  ])('AP6: model %s is %i %s', async (model, status, code) => {
    const { post } = startServer();

    const reply = await post({ ...question, model });

    expect(reply.statusCode).toBe(status);
    expect(reply.json().error.code).toBe(code);
  });

  it.each([
    ['no JSON', '{"messages": [', { 'content-type': 'application/json' }, 'not valid JSON'],
    ['nothing', '', { 'content-type': 'application/json' }, 'no body'],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 'content-type: application/json'],
    ['plain text', '{"messages": []}', { 'content-type': 'text/plain' }, 'content-type: application/json'],
    ['an array', '[]', { 'content-type': 'application/json' }, 'must be a JSON object'],
    ['a number', '7', { 'content-type': 'application/json' }, 'must be a JSON object'],
    ['a poisoned prototype', '{"__proto__": {"x": 1}}', { 'content-type': 'application/json' }, 'JSON'],
  ])('AP7: a body that is %s is refused with a sentence', async (_name, payload, headers, part) => {
    const { app } = startServer();

    const reply = await app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      payload,
      headers,
    });

    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(part),
    });
  });

  it.each([
    ['messages', { messages: [] }],
    ['messages', { messages: undefined }],
    ['messages[0].role', { messages: [{ role: 'wizard', content: 'Hi' }] }],
    [
      'messages[0].content',
      {
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }],
      },
    ],
    ['temperature', { temperature: 2.1 }],
    ['top_p', { top_p: -1 }],
    ['max_tokens', { max_tokens: 0 }],
    ['seed', { seed: 1.5 }],
    ['stop', { stop: Array.from({ length: 17 }, () => 'x') }],
    ['stream', { stream: 'yes' }],
    ['model', { model: 7 }],
    ['n', { n: 0 }],
    ['n', { n: 9 }],
    ['logprobs', { logprobs: 'yes' }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['logit_bias.50256', { logit_bias: { 50256: -101 } }],
    ['logit_bias.the', { logit_bias: { the: 1 } }],
    ['logit_bias', { logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, id) => [id, 1])) }],
    ['presence_penalty', { presence_penalty: 2.1 }],
    ['frequency_penalty', { frequency_penalty: '1' }],
    ['response_format.type', { response_format: { type: 'xml' } }],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
    [
      'response_format.json_schema.schema.properties.a.type',
      { response_format: { type: 'json_schema', json_schema: { schema: { properties: { a: { type: 'text' } } } } } },
    ],
    [
      'response_format.json_schema.schema.items.$ref',
      { response_format: { type: 'json_schema', json_schema: { schema: { items: { $ref: '#/$defs/none' } } } } },
    ],
    ['tools[0].function', { tools: [{ type: 'function' }] }],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: { name: '</tools>' } }] }],
    ['tools[0].function.parameters', { tools: [{ type: 'function', function: { name: 'f', parameters: [] } }] }],
    ['tools[1].function.name', { tools: [tool, tool] }],
    ['tool_choice', { tool_choice: 'required' }],
    ['tool_choice', { tools: [tool], tool_choice: 'sometimes' }],
    ['tool_choice', { tools: [tool], tool_choice: { type: 'function', function: { name: 'g' } } }],
    ['messages[0].tool_calls[0].function', { messages: [{ role: 'assistant', tool_calls: [{ id: 'a' }] }] }],
    ['functions[0].name', { functions: [{ name: 'f f' }] }],
    ['function_call', { function_call: { name: 'f' } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['audio', { audio: { voice: 'alloy' } }],
  ])('AP7: a wrong or unbuilt %s is refused by its name', async (param, fields) => {
    const { mesh, post } = startServer();

    const reply = await post({ ...question, ...fields });

    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({
      code: 'invalid_request',
      param,
      message: expect.stringContaining(param),
    });
    expect(mesh.requests).toEqual([]);
  });

  it('AP8: a body past 1 MiB is 413', async () => {
    const { post } = startServer();

    const reply = await post({
      messages: [{ role: 'user', content: 'x'.repeat(1024 * 1024) }],
    });

    expect(reply.statusCode).toBe(413);
    expect(reply.json().error).toMatchObject({
      code: 'payload_too_large',
      message: expect.stringContaining('1 MiB'),
    });
  });

  it('AP9: a fault of the entry itself is told without its inside', async () => {
    const { mesh, post } = startServer();
    mesh.defaultModel = () => {
      throw new TypeError('secret');
    };

    const reply = await post(question);

    expect(reply.statusCode).toBe(500);
    expect(reply.json().error.code).toBe('internal_error');
    expect(reply.body).not.toContain('secret');
  });

  it('AP10: no body whatever makes a 500', async () => {
    const { app } = startServer();
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom('user', 'text', 'mesh-tiny', 1, true, null));
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          messages: fc.oneof(
            field,
            fc.array(
              fc.record({
                role: field,
                content: fc.oneof(field, fc.array(fc.record({ type: field, text: field }))),
              }),
            ),
          ),
          model: fc.oneof(field, fc.string()),
          stream: field,
          stream_options: field,
          stop: fc.oneof(field, fc.array(fc.string())),
          temperature: fc.oneof(field, fc.double({ noNaN: true, noDefaultInfinity: true })),
          max_tokens: field,
          n: field,
          logprobs: field,
          tools: fc.oneof(
            field,
            fc.array(
              fc.record({
                type: fc.constant('function'),
                function: fc.oneof(field, fc.record({ name: fc.string(), parameters: field }, { requiredKeys: [] })),
              }),
            ),
          ),
          tool_choice: fc.oneof(field, fc.constantFrom('auto', 'required', 'none')),
          response_format: fc.oneof(
            field,
            fc.record({
              type: fc.constantFrom('json_object', 'json_schema'),
              json_schema: fc.record({ schema: fc.dictionary(fc.constantFrom('type', 'items', 'anyOf'), field) }),
            }),
          ),
          logit_bias: field,
        },
        { requiredKeys: [] },
      ),
    );

    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          body.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        async (payload) => {
          const headers = { 'content-type': 'application/json' };
          const reply = await app.inject({
            method: 'POST',
            url: '/v1/chat/completions',
            payload,
            headers,
          });
          expect([200, 400, 404, 503]).toContain(reply.statusCode);
          if (reply.statusCode !== 200) expect(reply.json().error.message).toMatch(/\.$/);
        },
      ),
      { numRuns: 300 },
    );
  });
});
