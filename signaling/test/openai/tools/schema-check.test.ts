/** What no grammar holds, looked at when an answer is complete. */
import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { enforcedSchema } from '../../../src/openai/tools/enforced-schema.ts';
import { type ToolOffer, toolOffer } from '../../../src/openai/tools/function-tools.ts';
import { planTools } from '../../../src/openai/tools/tool-plan.ts';

const field = 'response_format.json_schema.schema';
const planOf = (schema: object) =>
  planTools([], undefined, {
    responseFormat: { type: 'json_schema', schema: enforcedSchema({ ...schema }, field) },
    formatField: field,
  });

describe('a complete answer', () => {
  it.each<[string, object, unknown, unknown, RegExp]>([
    [
      'items that are the same',
      { type: 'array', uniqueItems: true },
      [1, { a: 1 }],
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      /'uniqueItems'/,
    ],
    ['no item of a kind', { type: 'array', contains: { type: 'null' } }, [1, null], [1], /'contains'/],
    ['two alternatives of one', { oneOf: [{ type: 'integer' }, { type: 'number' }] }, 1.5, 1, /'oneOf'/],
    ['what it must not be', { type: 'object', not: { required: ['a'] } }, { b: 1 }, { a: 1 }, /'not'/],
    [
      'a condition',
      { type: 'object', if: { required: ['a'] }, ['then' as string]: { required: ['b'] } },
      { a: 1, b: 1 },
      { a: 1 },
      /'required'/,
    ],
    [
      'what depends on another',
      { type: 'object', dependentRequired: { a: ['b'] } },
      { b: 1 },
      { a: 1 },
      /'dependentRequired'/,
    ],
    ['too few properties', { type: 'object', minProperties: 2 }, { a: 1, b: 2 }, { a: 1 }, /'minProperties'/],
    [
      'no multiple',
      { type: 'object', properties: { a: { type: 'integer', multipleOf: 86_400 } } },
      { a: 172_800 },
      { a: 7 },
      /'multipleOf' of its schema at '\/a'/,
    ],
    [
      'what nothing describes',
      { allOf: [{ type: 'object', properties: { a: {} } }], unevaluatedProperties: false },
      { a: 1 },
      { a: 1, b: 2 },
      /'unevaluatedProperties'/,
    ],
  ])('AP170: with %s breaks its schema, which its error says', (_what, schema, sound, broken, sentence) => {
    const { check } = planOf(schema);
    expect(check?.(JSON.stringify(sound))).toBeUndefined();
    const error = check?.(JSON.stringify(broken));
    expect(error).toMatchObject({ code: 'upstream_failed', details: { param: field } });
    expect(error?.message).toMatch(sentence);
    expect(check?.('no JSON')).toBeInstanceOf(MeshError);
  });

  it('AP170: is not looked at where the grammar holds all of its schema', () => {
    expect(planOf({ type: 'string', pattern: '^a+$', maxLength: 9 }).check).toBeUndefined();
  });

  it('AP171: is looked at within a bound, whatever its schema and its size', () => {
    const { check } = planOf({ type: 'array', items: { type: 'string', pattern: '^(a+)+$' }, uniqueItems: true });
    const before = process.cpuUsage();
    const texts = Array.from({ length: 4_000 }, (_, at) => 'a'.repeat(1 + (at % 200)));
    expect(check?.(JSON.stringify([...texts, `${'a'.repeat(30)}!`]))?.message).toMatch(
      /'pattern' of its schema at '\/4000'/,
    );
    check?.(JSON.stringify(Array.from({ length: 200_000 }, (_, at) => `${at}`)));
    const { user } = process.cpuUsage(before);
    expect(user / 1_000).toBeLessThan(2_000);
  });
});

describe('a strict tool', () => {
  const parameters = { type: 'object', properties: { at: { type: 'string', pattern: '^[a-z]+$' } }, required: ['at'] };
  const offer = (strict: boolean, given: object = parameters): ToolOffer | undefined =>
    toolOffer({
      tools: [{ name: 'go', parameters: { ...given }, strict }],
      choice: 'auto',
      parallel: true,
      fieldOf: (index) => `tools[${index}].function`,
    });
  const call = (given: string) => `Well. <tool_call>\n{"name": "go", "arguments": ${given}}\n</tool_call>`;

  it('AP172: is called by its parameters, or the answer fails by the name of the field', () => {
    const { check } = planTools([], offer(true), {});
    expect(check?.(call('{"at": "home"}'))).toBeUndefined();
    expect(check?.('No call at all.')).toBeUndefined();
    for (const given of ['{"at": "Home"}', '{}', '{"at": 7}']) {
      expect(check?.(call(given))).toMatchObject({ details: { param: 'tools[0].function.parameters' } });
    }
    expect(planTools([], offer(false), {}).check).toBeUndefined();
  });

  it('AP172: whose parameters nothing can follow is refused before anybody is asked', () => {
    const contradiction = { type: 'object', properties: { a: { enum: [1], type: 'string' } }, required: ['a'] };
    expect(() => planTools([], offer(true, contradiction), {})).toThrow(
      expect.objectContaining({ details: { param: 'tools[0].function.parameters' } }),
    );
    expect(planTools([], offer(false, contradiction), {}).check).toBeUndefined();
  });
});

describe('a tool that must be called', () => {
  const required = (...schemas: readonly object[]) =>
    planTools(
      [],
      toolOffer({
        tools: schemas.map((parameters, at) => ({ name: `f${at}`, parameters: { ...parameters } })),
        choice: 'required',
        parallel: true,
        fieldOf: (index) => `tools[${index}].function`,
      }),
      {},
    ).responseFormat;

  it('AP173: may have alternatives, references and definitions of its own', () => {
    const either = {
      anyOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { type: 'object', properties: { b: { type: 'number' } }, required: ['b'] },
      ],
    };
    const tree = { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#' } } } };
    const named = { type: 'object', properties: { x: { $ref: '#/$defs/node' } }, $defs: { node: { type: 'string' } } };
    const other = { type: 'object', properties: { x: { $ref: '#/$defs/node' } }, $defs: { node: { type: 'null' } } };
    const format = required(either, tree, named, other);
    expect(format).toMatchObject({ type: 'json_schema', schema: { anyOf: [{}, {}, {}, {}] } });
    const { $defs } = format?.type === 'json_schema' ? format.schema : {};
    expect(Object.keys($defs ?? {})).toEqual(['tool1.root', 'tool2.node', 'tool3.node']);
  });

  it('AP173: that nothing can follow is refused by its own field', () => {
    expect(() => required({ type: 'object' }, { properties: { a: { pattern: '\\bx' } } })).toThrow(
      expect.objectContaining({ details: { param: 'tools[1].function.parameters' } }),
    );
  });
});
