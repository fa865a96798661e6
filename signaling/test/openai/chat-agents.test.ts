/** What agents and older clients send beside messages of text and functions. */
import { MeshError } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { JOB_ID } from '../setup/scripted-mesh.ts';
import { eventsOf, question, startServer } from '../setup/start-server.ts';

const functionTool = (name: string) => ({ type: 'function', function: { name } });
const weather = { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
const shell = {
  type: 'custom',
  custom: {
    name: 'shell',
    description: 'Runs a command.',
    format: { type: 'grammar', grammar: { syntax: 'regex', definition: '^ls' } },
  },
};
const callId = `call_${JOB_ID.slice(0, 24)}_0`;
const deltasOf = (body: string) =>
  (eventsOf(body).slice(0, -1) as { choices: [{ delta: object; finish_reason: string | null }] }[]).map(
    ({ choices: [choice] }) => choice,
  );

describe('the messages of a chat completion', () => {
  it('AP126: of every role, age and form reach the mesh', async () => {
    const { mesh, post } = startServer();

    const reply = await post({
      messages: [
        { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] },
        { role: 'user', name: 'alice', content: [{ type: 'text', text: 'Weather?' }], unknown: 1 },
        { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{"city":"Rome"}' } },
        { role: 'function', name: 'weather', content: '21 degrees' },
        { role: 'assistant', content: [{ type: 'refusal', refusal: "I can't say." }], refusal: null },
        { role: 'assistant', content: null, refusal: 'No.' },
        { role: 'user', content: [] },
        {
          role: 'assistant',
          tool_calls: [
            { id: 'a', type: 'custom', custom: { name: 'shell', input: 'ls "x"' } },
            { id: 'b', function: { name: 'weather', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'sunny' }] },
        { role: 'tool', tool_call_id: 'a', content: 'file' },
      ],
    });

    expect(reply.statusCode).toBe(200);
    const call = (name: string, args: object) =>
      `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;
    const result = (text: string) => `<tool_response>\n${text}\n</tool_response>`;
    expect(
      mesh.requests[0]?.messages.map(({ role, content }) => [
        role,
        content.replaceAll('": ', '":').replaceAll(', "', ',"'),
      ]),
    ).toEqual([
      ['system', 'Be brief.'],
      ['user', 'Weather?'],
      ['assistant', call('weather', { city: 'Rome' })],
      ['user', result('21 degrees')],
      ['assistant', "I can't say."],
      ['assistant', 'No.'],
      ['user', ''],
      ['assistant', `${call('shell', { input: 'ls "x"' })}\n${call('weather', {})}`],
      ['user', `${result('file')}\n${result('sunny')}`],
    ]);
  });

  it.each([
    ['messages[0].content', { role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }],
    ['messages[0].audio', { role: 'assistant', audio: { id: 'a' } }],
    ['messages[0].prefix', { role: 'assistant', content: 'Well', prefix: true }],
    ['messages[0].function_call.name', { role: 'assistant', function_call: { name: 'a b', arguments: '' } }],
    ['messages[0].tool_calls[0].custom', { role: 'assistant', tool_calls: [{ id: 'a', type: 'custom' }] }],
  ])('AP126: %s that the mesh can not read is refused by its name', async (param, message) => {
    const { post } = startServer();
    const reply = await post({ messages: [message] });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ param, message: expect.stringContaining(param) });
  });
});

describe('allowed tools', () => {
  const tools = [functionTool('a'), functionTool('b'), shell];
  const allow = (mode: string, ...allowed: object[]) => ({
    ...question,
    tools,
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode, tools: allowed } },
  });

  it('AP121: are the only ones that the model is told and that an answer can call', async () => {
    const { mesh, post } = startServer([{ say: '<tool_call>{"name": "a", "arguments": {}}</tool_call>' }]);
    const reply = await post(allow('auto', functionTool('b'), { type: 'custom', custom: { name: 'shell' } }));
    expect(reply.json().choices[0].message).toMatchObject({ content: expect.stringContaining('<tool_call>') });
    const [told] = mesh.requests[0]?.messages ?? [];
    expect(told?.content).toContain('"name":"b"');
    expect(told?.content).toContain('"name":"shell"');
    expect(told?.content).not.toContain('"name":"a"');
  });

  it('AP121: of which one must be called are enforced', async () => {
    const { mesh, post } = startServer();
    await post(allow('required', functionTool('b')));
    expect(mesh.requests[0]?.responseFormat).toMatchObject({ schema: { properties: { name: { const: 'b' } } } });
  });

  it('AP121: that are none of the tools are refused', async () => {
    const { post } = startServer();
    const reply = await post(allow('auto', functionTool('c')));
    expect(reply.json().error).toMatchObject({ param: 'tool_choice', message: expect.stringContaining("'c'") });
  });
});

describe('a custom tool', () => {
  const said = 'Look: <tool_call>{"name": "shell", "arguments": {"input": "ls \\"x\\"\\n"}}</tool_call>';
  const custom = { name: 'shell', input: 'ls "x"\n' };

  it('AP122: is told as a function of one text, with its grammar in words', async () => {
    const { mesh, post } = startServer();
    await post({ ...question, tools: [shell], tool_choice: { type: 'custom', custom: { name: 'shell' } } });
    const [told] = mesh.requests[0]?.messages ?? [];
    expect(told?.content).toContain('Runs a command.\\n\\nThe input follows this grammar (regex):\\n^ls');
    expect(mesh.requests[0]?.responseFormat).toMatchObject({
      schema: { properties: { name: { const: 'shell' }, arguments: { properties: { input: { type: 'string' } } } } },
    });
  });

  it('AP122: is called with its text, in one piece', async () => {
    const { post } = startServer([{ say: said }]);
    const [choice] = (await post({ ...question, tools: [shell, functionTool('a')] })).json().choices;
    expect(choice).toMatchObject({
      message: { content: 'Look:', tool_calls: [{ id: callId, type: 'custom', custom }] },
      finish_reason: 'tool_calls',
    });
  });

  it('AP122: is called with its text, streamed, between functions', async () => {
    const words = [said, '<tool_call>{"name": "a", "arguments": {"b": 1}}</tool_call>', said.slice(6)].join('');
    const { post } = startServer([...words].map((say) => ({ say })));
    const reply = await post({ ...question, tools: [shell, functionTool('a')], stream: true });
    const deltas = deltasOf(reply.body).map(({ delta }) => delta);
    const calls = deltas.flatMap((delta) => ('tool_calls' in delta ? (delta.tool_calls as object[]) : []));
    expect(calls.filter((one) => 'custom' in one)).toEqual([
      { index: 0, id: callId, type: 'custom', custom: { name: 'shell', input: '' } },
      { index: 0, custom: { input: custom.input } },
      { index: 2, id: callId.replace(/0$/, '2'), type: 'custom', custom: { name: 'shell', input: '' } },
      { index: 2, custom: { input: custom.input } },
    ]);
    const given = calls.flatMap((one) =>
      'function' in one ? [(one.function as { arguments: string }).arguments] : [],
    );
    expect(given.join('')).toBe('{"b": 1}');
  });
});

describe("functions of OpenAI's first API", () => {
  const said = ['Look: ', '<tool_call>{"name": "weather", "arguments": {"city"', ': "Rome"}}</tool_call>'];
  const script = said.map((say) => ({ say }));

  it('AP123: come back as one function_call, in one piece', async () => {
    const { mesh, post } = startServer(script);
    const [choice] = (await post({ ...question, functions: [weather], function_call: 'auto' })).json().choices;
    expect(choice).toEqual({
      index: 0,
      message: {
        role: 'assistant',
        content: 'Look:',
        refusal: null,
        function_call: { name: 'weather', arguments: '{"city": "Rome"}' },
      },
      logprobs: null,
      finish_reason: 'function_call',
    });
    // One answer has one call.
    expect(mesh.requests[0]?.stop).toEqual(['</tool_call>']);
  });

  it('AP123: come back as one function_call, streamed', async () => {
    const { post } = startServer(script);
    const choices = deltasOf((await post({ ...question, functions: [weather], stream: true })).body);
    expect(choices.map(({ delta }) => delta)).toEqual([
      { role: 'assistant', content: null, refusal: null },
      { content: 'Look:' },
      { function_call: { name: 'weather', arguments: '' } },
      { function_call: { arguments: '{"city"' } },
      { function_call: { arguments: ': "Rome"}' } },
      {},
    ]);
    expect(choices.at(-1)?.finish_reason).toBe('function_call');
  });

  it('AP123: are called where one is named, and not where none is asked for', async () => {
    const { mesh, post } = startServer();
    await post({ ...question, functions: [weather], function_call: { name: 'weather' } });
    await post({ ...question, functions: [weather], function_call: 'none' });
    expect(mesh.requests[0]?.responseFormat).toMatchObject({ schema: { properties: { name: { const: 'weather' } } } });
    expect(mesh.requests[1]?.messages).toEqual(question.messages);
  });

  it.each([
    ['functions', { functions: [weather], tools: [functionTool('a')] }],
    ['functions[0].name', { functions: [{ name: 'a b' }] }],
    ['functions[1].name', { functions: [weather, weather] }],
    ['functions[0].parameters', { functions: [{ name: 'f', parameters: { type: 'string' } }] }],
    ['function_call', { function_call: { name: 'f' } }],
    ['function_call', { functions: [weather], function_call: { name: 'f' } }],
    ['function_call', { functions: [weather], function_call: 'required' }],
  ])('AP123: a wrong %s is refused by its name', async (param, fields) => {
    const { mesh, post } = startServer();
    const reply = await post({ ...question, ...fields });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ param, message: expect.stringContaining(param) });
    expect(mesh.requests).toEqual([]);
  });
});

describe('a field of a chat completion', () => {
  it('AP124: that only describes, bills, keeps or speeds up an answer is taken', async () => {
    const { mesh, post } = startServer();
    const reply = await post({
      ...question,
      store: true,
      metadata: { run: '7' },
      service_tier: 'flex',
      prediction: { type: 'content', content: 'Hello' },
      modalities: ['text'],
      parallel_tool_calls: true,
      verbosity: 'low',
      prompt_cache_key: 'c1',
      prompt_cache_retention: '24h',
      safety_identifier: 'somebody',
      user: 'somebody',
      stream_options: { include_usage: false, include_obfuscation: false },
      top_k: 20,
      what_nobody_knows: { a: 1 },
      web_search_options: null,
      guided_json: null,
      continue_final_message: false,
    });
    expect(reply.statusCode).toBe(200);
    expect(mesh.requests[0]).toMatchObject({ messages: question.messages, conversationId: 'c1' });
  });

  it.each([
    ['web_search_options', { web_search_options: {} }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['guided_json', { guided_json: { type: 'object' } }],
    ['grammar', { grammar: 'root ::= "a"' }],
    ['structured_outputs', { structured_outputs: { regex: 'a' } }],
    ['continue_final_message', { continue_final_message: true }],
    ['add_generation_prompt', { add_generation_prompt: false }],
    ['chat_template', { chat_template: '{{ messages }}' }],
    ['response_format.schema', { response_format: { type: 'text', schema: {} } }],
    ['response_format.schema', { response_format: { type: 'json_schema', schema: {}, json_schema: { schema: {} } } }],
    ['response_format.json_schema', { response_format: { type: 'json_object', json_schema: {} } }],
    [
      'response_format.json_schema.schema',
      { response_format: { type: 'json_schema', json_schema: { type: 'object', properties: {} } } },
    ],
    ['response_format.schema.type', { response_format: { type: 'json_object', schema: { type: 'text' } } }],
  ])('AP124: %s, which would change the answer and is not here, is refused by its name', async (param, fields) => {
    const { mesh, post } = startServer();
    const reply = await post({ ...question, ...fields });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ param, message: expect.stringContaining(param) });
    expect(mesh.requests).toEqual([]);
  });

  it('AP124: a schema beside json_object is followed', async () => {
    const { mesh, post } = startServer();
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    await post({ ...question, response_format: { type: 'json_object', schema } });
    expect(mesh.requests[0]?.responseFormat).toEqual({ type: 'json_schema', schema });
  });

  it.each([
    ['response_format', { response_format: { type: 'json_object' } }],
    ['tool_choice', { tools: [functionTool('a')], tool_choice: 'required' }],
    ['function_call', { functions: [weather], function_call: { name: 'weather' } }],
  ])("AP125: a grammar's refusal names %s", async (param, fields) => {
    const refusal = new MeshError('invalid_request', 'No grammar holds it.', { details: { param: 'response_format' } });
    const { post } = startServer([{ fail: refusal }]);
    const reply = await post({ ...question, ...fields });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ param, message: 'No grammar holds it.' });
  });
});
