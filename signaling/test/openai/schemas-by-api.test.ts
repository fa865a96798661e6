/** Schemas in the places where clients put them: taken, refused by the field, and held against the complete answer. */
import { grammarOfSchema } from '@tabmesh/shared/json-grammar';
import { describe, expect, it } from 'vitest';
import corpus from '../schemas/corpus.json' with { type: 'json' };
import { question, startServer } from '../setup/start-server.ts';

type Schema = Readonly<Record<string, unknown>>;

const asked = (schema: Schema) => ({
  ...question,
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema } },
});
const object = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };

describe('a schema of a request', () => {
  it('AP29: is taken where a library printed it, and what reaches the mesh is followed by every engine', async () => {
    for (const { by, name, schema } of corpus) {
      const { mesh, post } = startServer([{ say: '{}' }]);
      const reply = await post(asked(schema));
      // What no grammar holds is looked at in the answer, which this one breaks.
      expect([by, name, reply.statusCode === 200 || reply.json().error.code === 'upstream_failed']).toEqual([
        by,
        name,
        true,
      ]);
      const format = mesh.requests[0]?.responseFormat;
      expect(format?.type === 'json_schema' && grammarOfSchema(format.schema)).toContain('root ::=');
    }
  });

  it.each<[string, string, object]>([
    ['an answer', 'response_format.json_schema.schema', asked({ type: 'string', pattern: '(a)\\1' })],
    [
      'an object',
      'response_format.schema',
      { ...question, response_format: { type: 'json_object', schema: { type: 'string', pattern: '(?<=a)b' } } },
    ],
    [
      'a tool that must be called',
      'tools[1].function.parameters',
      {
        ...question,
        tool_choice: 'required',
        tools: [
          { type: 'function', function: { name: 'f', parameters: object } },
          { type: 'function', function: { name: 'g', parameters: { properties: { a: { pattern: '\\bx' } } } } },
        ],
      },
    ],
    [
      'a strict tool',
      'tools[0].function.parameters',
      {
        ...question,
        tools: [
          {
            type: 'function',
            function: { name: 'f', strict: true, parameters: { properties: { a: { pattern: '(a)\\1' } } } },
          },
        ],
      },
    ],
  ])('AP29: of %s that nothing can follow is refused by its field', async (_what, field, body) => {
    const { mesh, post } = startServer();
    const reply = await post(body);
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ code: 'invalid_request', param: field });
    expect(reply.json().error.message).toMatch(/^[^\n]{10,500}\.$/);
    expect(mesh.requests).toHaveLength(0);
  });

  it('AP173: of a required tool may be a union without a type', async () => {
    const { mesh, post } = startServer([{ say: '{"name": "f", "arguments": {"b": 1}}' }]);
    const parameters = { anyOf: [object, { type: 'object', properties: { b: { type: 'number' } }, required: ['b'] }] };
    const reply = await post({
      ...question,
      tool_choice: 'required',
      tools: [{ type: 'function', function: { name: 'f', parameters } }],
    });
    expect(reply.statusCode).toBe(200);
    expect(reply.json().choices[0].message.tool_calls).toMatchObject([
      { function: { name: 'f', arguments: '{"b": 1}' } },
    ]);
    const format = mesh.requests[0]?.responseFormat;
    expect(format?.type === 'json_schema' && grammarOfSchema(format.schema)).toContain('root ::=');
  });

  it('AP170: that an answer breaks makes it fail, whole or at the end of its stream', async () => {
    const schema = { type: 'array', items: { type: 'integer' }, uniqueItems: true };
    const { post } = startServer([{ say: '[1, 2, 1]' }]);
    const reply = await post(asked(schema));
    expect(reply.statusCode).toBe(502);
    expect(reply.json().error).toMatchObject({
      code: 'upstream_failed',
      param: 'response_format.json_schema.schema',
      message: expect.stringContaining("breaks 'uniqueItems'"),
    });

    const streamed = await startServer([{ say: '[1, 2, 1]' }]).post({ ...asked(schema), stream: true });
    expect(streamed.body).toContain("breaks 'uniqueItems'");
    expect(streamed.body).not.toContain('"finish_reason":"stop"');

    const sound = await startServer([{ say: '[1, 2, 3]' }]).post(asked(schema));
    expect(sound.json().choices[0].message.content).toBe('[1, 2, 3]');
  });

  it('AP172: of a strict tool is held against its calls', async () => {
    const tools = [{ type: 'function', function: { name: 'f', strict: true, parameters: object } }];
    const say = (given: string) => `<tool_call>{"name": "f", "arguments": ${given}}</tool_call>`;
    const broken = await startServer([{ say: say('{"a": 7}') }]).post({ ...question, tools });
    expect(broken.statusCode).toBe(502);
    expect(broken.json().error).toMatchObject({ param: 'tools[0].function.parameters' });
    const sound = await startServer([{ say: say('{"a": "x"}') }]).post({ ...question, tools });
    expect(sound.json().choices[0].finish_reason).toBe('tool_calls');
  });
});
