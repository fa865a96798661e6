import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnswerPart, type CallForm, ToolCallReader } from '../../../src/openai/tools/tool-call-reader.ts';

const names = new Set(['weather', 'time-of_day']);
const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>';

/** All that comes of an answer, pieces of a kind joined. */
function read(texts: readonly string[], form: CallForm = 'tagged'): AnswerPart[] {
  const reader = new ToolCallReader(names, form);
  const parts = [...texts.flatMap((text) => reader.push(text)), ...reader.end()];
  const joined: AnswerPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last?.type === 'text' && part.type === 'text') joined.splice(-1, 1, text(last.text + part.text));
    else if (last?.type === 'arguments' && part.type === 'arguments') {
      joined.splice(-1, 1, { ...part, text: last.text + part.text });
    } else joined.push(part);
  }
  return joined;
}

const text = (said: string): AnswerPart => ({ type: 'text', text: said });
const called = (index: number, name: string, given: string): AnswerPart[] => [
  { type: 'call', index, name },
  { type: 'arguments', index, text: given },
];

describe('calls in the text of an answer', () => {
  it('TL1: text without a call is given out as it is', () => {
    for (const said of ['Hello there', ' a <b> c \n', '<tool', 'x <tool_call', '\n\n', '1 < 2\n\n<']) {
      expect(read([said])).toEqual([text(said)]);
    }
  });

  it('TL2: a call and the text around it come apart, without the space between', () => {
    expect(read([`I will look.\n${call}`])).toEqual([
      text('I will look.'),
      ...called(0, 'weather', '{"city": "Paris"}'),
    ]);
    expect(read([`${call}\n${call.replace('weather', 'time-of_day')}\n`])).toEqual([
      ...called(0, 'weather', '{"city": "Paris"}'),
      ...called(1, 'time-of_day', '{"city": "Paris"}'),
    ]);
    expect(read([`${call}\nDone.`])).toEqual([...called(0, 'weather', '{"city": "Paris"}'), text('\nDone.')]);
  });

  it('TL2: a call shows as soon as its name is read, its arguments as they come', () => {
    const reader = new ToolCallReader(names, 'tagged');
    expect(reader.push('Well,\n<tool')).toEqual([text('Well,')]);
    expect(reader.push('_call>{"name":"weather"')).toEqual([]);
    expect(reader.push(', "arguments": {"ci')).toEqual(called(0, 'weather', '{"ci'));
    expect(reader.push('ty":"</tool_call>')).toEqual([{ type: 'arguments', index: 0, text: 'ty":"</tool_call>' }]);
    expect(reader.push('"}}</tool')).toEqual([{ type: 'arguments', index: 0, text: '"}' }]);
    expect(reader.push('_call>')).toEqual([]);
    expect(reader.end()).toEqual([]);
    expect(reader.calls).toBe(1);
  });

  it.each([
    ['arguments first', '{"arguments": {"a": [1]}, "name": "weather"}', '{"a":[1]}'],
    ['arguments as a text', '{"name": "weather", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'],
    ['parameters', '{"name": "weather", "parameters": {"a": 1}}', '{"a":1}'],
    ['no arguments', '{"name": "weather"}', '{}'],
    ['a field more', '{"id": 7, "name": "weather", "arguments": {}}', '{}'],
  ])('TL3: a call in an unusual form is a call: %s', (_form, block, given) => {
    expect(read([`<tool_call>${block}</tool_call>`])).toEqual(called(0, 'weather', given));
    expect(read([`<tool_call>${block}`])).toEqual(called(0, 'weather', given));
  });

  it.each([
    '<tool_call>no JSON</tool_call>',
    'So: <tool_call>{"name": "weather", "arguments": [1]}</tool_call>, done',
    '<tool_call>{"name": "rm -rf", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "constructor", "arguments": {}}</tool_call>',
    '<tool_call>{"name": "weather", "argu',
    '<tool_call>{"name": "wea',
    '<tool_call>null</tool_call>',
    '<tool_call>',
  ])('TL4: what is no call of an offered tool stays text: %s', (said) => {
    expect(read([said])).toEqual([text(said)]);
  });

  it('TL4: a tag that is only spoken of hides no call behind it', () => {
    expect(read([`I write <tool_call> and then: ${call}`])).toEqual([
      text('I write <tool_call> and then:'),
      ...called(0, 'weather', '{"city": "Paris"}'),
    ]);
  });

  it('TL5: arguments that are no JSON go to the tag as they are, and the next call is read', () => {
    const broken = call.replace('"Paris"', '"Paris\n"');
    expect(read([`${broken}${call}`])).toEqual([
      ...called(0, 'weather', '{"city": "Paris\n"}'),
      ...called(1, 'weather', '{"city": "Paris"}'),
    ]);
    expect(read([call.replace('"Paris"', '[1}')])).toEqual(called(0, 'weather', '{"city": [1}}'));
    expect(read([call.replace('"Paris"}', '"Paris"')])).toEqual(called(0, 'weather', '{"city": "Paris"}'));
  });

  it('TL5: arguments that are cut off are given out as far as they came', () => {
    expect(read(['<tool_call>{"name": "weather", "arguments": {"city": "Par'])).toEqual(
      called(0, 'weather', '{"city": "Par'),
    );
    expect(read([`${call.slice(0, -4)}`])).toEqual(called(0, 'weather', '{"city": "Paris"}'));
  });

  it('TL6: a bare call is the whole text, and another text is given out as it is', () => {
    expect(read([' {"name": "weather", "arguments": {"a": {}}} \n'], 'bare')).toEqual(
      called(0, 'weather', '{"a": {}}'),
    );
    for (const said of ['{"name": "Bob"}', '{"city": "Paris"}', 'Hello', '{"name": "unknown", "arguments": {}}', '{']) {
      expect(read([said], 'bare')).toEqual([text(said)]);
    }
    expect(read(['{"name": "weather", "arguments": {}} and more'], 'bare')).toEqual([
      ...called(0, 'weather', '{}'),
      text(' and more'),
    ]);
  });

  it('TL7: it does not matter how the text was split, and nothing of it is lost', () => {
    const piece = fc.constantFrom(
      ...[call, '<tool_call>', '</tool_call>', '{"name": "weather", "arguments": ', '{"a": "b}"', '}', '}}', ']', '"'],
      ...['<', '\n', ' ', 'text', '\\', '🧭', '{"name": "other", "arguments": {}}', '<tool_', 'call>'],
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
        fc.array(fc.nat({ max: 200 }), { maxLength: 12 }),
        fc.constantFrom<CallForm>('tagged', 'bare'),
        (said, cuts, form) => {
          const ends = [...cuts.filter((cut) => cut < said.length).sort((a, b) => a - b), said.length];
          const split = ends.map((end, index) => said.slice(ends[index - 1] ?? 0, end));
          const whole = read([said], form);
          expect(read(split, form)).toEqual(whole);
          expect(read([...said], form)).toEqual(whole);
          const rest = letters(
            whole.map((part) => (part.type === 'call' ? `"name":"${part.name}"` : part.text)).join(''),
          );
          expect(letters(said).length - rest.length).toBeGreaterThanOrEqual(0);
          if (whole.every(({ type }) => type === 'text')) expect(rest).toBe(letters(said));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('TL7: a flood of what might be a call is read in one go', () => {
    for (const flood of [' ', '<', '>', '<tool_call>', '{"name":', '[', '\n}']) {
      const reader = new ToolCallReader(names, 'tagged');
      reader.push('<tool_call>{"name": "weather", "arguments": {"a": ');
      for (let turn = 0; turn < 200_000; turn += 1) reader.push(flood);
      reader.end();
      expect(reader.calls).toBe(1);
    }
  });
});

/** Without the spaces, which a call may lose. */
function letters(said: string): string {
  return said.replace(/\s/g, '');
}
