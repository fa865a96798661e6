import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asked, startMessages } from '../setup/start-messages.ts';

const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
const says = (...content: object[]) => ({ messages: [{ role: 'user', content }] });

describe('a wrong message', () => {
  it.each([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 0 }],
    ['messages', { messages: [] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'Hi' }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 7 }] }],
    ['messages[0].content[1]', says({ type: 'text', text: 'a' }, image)],
    ['messages[0].content[0].content[0]', says({ type: 'tool_result', tool_use_id: 'a', content: [image] })],
    ['messages[0].content[0].source.type', says({ type: 'document', source: { type: 'base64', data: 'AAAA' } })],
    ['messages[0].content[0].tool_use_id', says({ type: 'tool_result', content: 'a' })],
    ['messages[0].content[0].text', says({ type: 'text' })],
    ['messages[0].content[0]', says({ type: 'video' })],
    ['messages[0].content[0]', says([])],
    ['messages[1]', { messages: [...asked.messages, { role: 'assistant', content: '{' }] }],
    ['system', { system: 7 }],
    ['temperature', { temperature: 3 }],
    ['stop_sequences[0]', { stop_sequences: [''] }],
    ['stream', { stream: 'yes' }],
    ['thinking.type', { thinking: { type: 'sometimes' } }],
    ['model', { model: 7 }],
    ['tools[0].name', { tools: [{ input_schema: {} }] }],
    ['tools[0].name', { tools: [{ name: 'a b', input_schema: {} }] }],
    ['tools[0].input_schema', { tools: [{ name: 'a' }] }],
    ['tools[0].input_schema', { tools: [{ name: 'a', input_schema: { type: 'string' } }] }],
    [
      'tools[1].name',
      {
        tools: [
          { type: 'web_search_20250305', name: 'a' },
          { name: '', input_schema: {} },
        ],
      },
    ],
    ['tool_choice', { tool_choice: { type: 'any' } }],
    [
      'tool_choice',
      {
        tools: [{ type: 'web_search_20250305', name: 'web_search' }],
        tool_choice: { type: 'tool', name: 'web_search' },
      },
    ],
    ['tool_choice.type', { tool_choice: { type: 'sometimes' } }],
    ['output_config.format.type', { output_config: { format: { type: 'xml' } } }],
    [
      'output_config.format.schema.type',
      { output_config: { format: { type: 'json_schema', schema: { type: 'text' } } } },
    ],
    ['mcp_servers', { mcp_servers: [{ url: 'https://example.org' }] }],
    ['container', { container: 'c' }],
  ])('AM12: is refused by the name of its field: %s', async (param, fields) => {
    const { mesh, post } = startMessages();
    const reply = await post({ ...asked, ...fields });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toEqual({
      type: 'invalid_request_error',
      message: expect.stringMatching(new RegExp(`'${param.replaceAll(/[.[\]]/g, '\\$&')}' .*\\.$`)),
    });
    expect(mesh.requests).toEqual([]);
  });

  it('AM12: with an image is refused with what to do', async () => {
    const { post } = startMessages();
    const { message } = (await post({ ...asked, ...says(image) })).json().error;
    expect(message).toContain('read text only: describe the image in words');
  });

  it('AM12: no body whatever makes a 500', async () => {
    const { app } = startMessages();
    const field = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('user', 'assistant', 'text', 'tool_use', 'mesh-tiny', 1, null),
    );
    const block = fc.record(
      {
        type: fc.constantFrom('text', 'tool_use', 'tool_result', 'thinking', 'document', 'image', 'x_tool_result'),
        text: field,
        id: field,
        name: field,
        input: field,
        tool_use_id: field,
        content: field,
        source: field,
      },
      { requiredKeys: ['type'] },
    );
    const body = fc.record(
      {
        model: field,
        max_tokens: fc.oneof(field, fc.constant(1)),
        messages: fc.oneof(
          field,
          fc.array(
            fc.record({ role: fc.constantFrom('user', 'assistant'), content: fc.oneof(field, fc.array(block)) }),
          ),
        ),
        system: fc.oneof(field, fc.array(block)),
        tools: fc.oneof(
          field,
          fc.array(fc.record({ type: field, name: field, input_schema: field }, { requiredKeys: [] })),
        ),
        tool_choice: fc.oneof(field, fc.record({ type: field, name: field })),
        thinking: field,
        metadata: field,
        output_config: field,
        stream: field,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(body, fc.jsonValue()), fc.boolean(), async (payload, counts) => {
        const url = `/v1/messages${counts ? '/count_tokens' : ''}`;
        const headers = { 'content-type': 'application/json' };
        const reply = await app.inject({ method: 'POST', url, payload: JSON.stringify(payload), headers });
        expect([200, 400, 404, 503]).toContain(reply.statusCode);
        if (reply.statusCode !== 200) expect(reply.json().error.message).toMatch(/\.$/);
      }),
      { numRuns: 300 },
    );
  });
});
