/** Whole responses and every event of streamed ones, held to the published schemas. */
import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { StreamedEvent, WholeResponse } from '../setup/open-responses-schema.ts';
import type { ScriptStep } from '../setup/scripted-mesh.ts';
import { call, eventsOf, startResponses, weather } from '../setup/start-responses.ts';

const logprobs = [{ token: 'Hé', logprob: -0.5, top: [{ token: 'Oh', logprob: -1 }] }];
const patch = { type: 'custom', name: 'apply_patch', description: 'Patches.' };
const patchCall = '<tool_call>\n{"name": "apply_patch", "arguments": {"input": "*** Begin"}}\n</tool_call>';
const format = { type: 'json_schema', name: 'thing', schema: { type: 'object' } };

const asks: [string, object, readonly ScriptStep[]][] = [
  ['a text', {}, [{ say: 'Hello' }, { say: ' there' }]],
  ['no word', {}, [{ say: '' }]],
  ['probabilities', { include: ['message.output_text.logprobs'] }, [{ say: 'Hé', logprobs }]],
  ['a call between texts', { tools: [weather] }, [{ say: 'I look.' }, { say: call }, { say: 'Done.' }]],
  ['a call of a tool without description', { tools: [{ type: 'function', name: 'weather' }] }, [{ say: call }]],
  ['a text for a tool', { tools: [patch], tool_choice: 'auto' }, [{ say: patchCall }]],
  [
    'a call within a namespace',
    { tools: [{ type: 'namespace', name: 'home', description: 'House.', tools: [weather] }] },
    [{ say: call.replace('weather', 'home__weather') }],
  ],
  ['JSON', { text: { format } }, [{ say: '{}' }]],
  [
    'a form with everything',
    { text: { format: { ...format, description: 'A thing.', strict: true } } },
    [{ say: '{}' }],
  ],
  [
    'every setting',
    {
      temperature: 0.3,
      top_p: 0.9,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      max_output_tokens: 9,
      max_tool_calls: 2,
      metadata: { a: 'b' },
      parallel_tool_calls: false,
      prompt_cache_key: 'c1',
      safety_identifier: 'u1',
      service_tier: 'auto',
      truncation: 'auto',
      reasoning: { effort: 'low', summary: 'auto' },
      tools: [weather],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'weather' }] },
    },
    [{ say: 'Hello' }],
  ],
];

describe('the published schemas', () => {
  it.each(asks)('AP140: hold for a whole response with %s', async (_what, fields, script) => {
    const response = (await startResponses(script).post({ input: 'Hi', ...fields })).json();
    expect(WholeResponse.parse(response)).toEqual(response);
  });

  it.each(asks)('AP140: hold for every event of %s', async (_what, fields, script) => {
    const events = eventsOf((await startResponses(script).post({ input: 'Hi', stream: true, ...fields })).body);
    for (const event of events) expect(StreamedEvent.parse(event)).toEqual(event);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1)?.type).toBe('response.completed');
  });

  it('AP140: hold for one that fails', async () => {
    const script = [{ say: 'Half' }, { fail: MeshError.peerLost('gone') }];
    const events = eventsOf((await startResponses(script).post({ input: 'Hi', stream: true })).body);
    for (const event of events) expect(StreamedEvent.parse(event)).toEqual(event);
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed' } });
  });

  it('AP140: settings come back as they were used', async () => {
    const fields = asks.at(-1)?.[1] ?? {};
    const response = (await startResponses().post({ input: 'Hi', ...fields })).json();
    expect(response).toMatchObject({ ...fields, service_tier: 'default', background: false, store: true });
  });

  it('AP140: what was not asked for is told as it is, of this model', async () => {
    const { mesh, post } = startResponses();
    const response = (await post({ input: 'Hi', tools: [{ type: 'function', name: 'a' }] })).json();
    expect(response).toMatchObject({ temperature: 0.2, top_p: 1, presence_penalty: 0, frequency_penalty: 0 });
    expect(response.tools).toEqual([
      { type: 'function', name: 'a', description: null, parameters: null, strict: false },
    ]);
    expect(mesh.requests[0]?.temperature).toBeUndefined();
  });
});
