import { describe, expect, it } from 'vitest';
import { JOB_ID } from '../setup/scripted-mesh.ts';
import { call, eventsOf, startResponses, weather } from '../setup/start-responses.ts';

describe('functions in a response', () => {
  it('AP86: are told to the model, and a call is an item of its own, also between texts', async () => {
    const { mesh, post } = startResponses([{ say: 'I look. <tool_' }, { say: call.slice(6) }]);

    const { output } = (await post({ input: 'Warm?', tools: [weather] })).json();

    expect(mesh.requests[0]?.messages[0]).toMatchObject({
      role: 'system',
      content: expect.stringContaining('<tools>'),
    });
    expect(output).toMatchObject([
      { type: 'message', content: [{ text: 'I look.' }] },
      {
        type: 'function_call',
        id: `fc_${JOB_ID}1`,
        call_id: `call_${JOB_ID.slice(0, 24)}_1`,
        name: 'weather',
        arguments: '{"city": "Paris"}',
        status: 'completed',
      },
    ]);
  });

  it('AP86: calls are streamed argument by argument', async () => {
    const { post } = startResponses([...call].map((character) => ({ say: character })));

    const events = eventsOf((await post({ input: 'Warm?', tools: [weather], stream: true })).body);

    const kinds = events.map(({ type }) => type);
    expect([...new Set(kinds)]).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const deltas = events.filter(({ type }) => type === 'response.function_call_arguments.delta');
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.map(({ delta }) => delta).join('')).toBe('{"city": "Paris"}');
    expect(events.find(({ type }) => type === 'response.function_call_arguments.done')).toMatchObject({
      item_id: `fc_${JOB_ID}0`,
      name: 'weather',
      arguments: '{"city": "Paris"}',
    });
  });

  it('AP87: that must be called are a JSON form, and past calls and their results are told', async () => {
    const { mesh, post } = startResponses([{ say: '{"name": "weather", "arguments": {"city": "Rome"}}' }]);

    const { output } = (
      await post({
        input: [
          { role: 'user', content: 'Paris?' },
          { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city": "Paris"}' },
          { type: 'function_call_output', call_id: 'call_1', output: '21' },
          { role: 'user', content: 'And Rome?' },
        ],
        tools: [weather],
        tool_choice: { type: 'function', name: 'weather' },
      })
    ).json();

    expect(output).toMatchObject([{ type: 'function_call', name: 'weather', arguments: '{"city": "Rome"}' }]);
    expect(mesh.requests[0]?.responseFormat).toMatchObject({ type: 'json_schema' });
    expect(mesh.requests[0]?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user', 'user']);
    expect(mesh.requests[0]?.messages[2]?.content).toContain('<tool_call>');
    expect(mesh.requests[0]?.messages[3]?.content).toContain('<tool_response>\n21\n</tool_response>');
  });
});
