import { describe, expect, it } from 'vitest';
import { applyPatch, codexRequest } from '../setup/codex-request.ts';
import { JOB_ID } from '../setup/scripted-mesh.ts';
import { call, eventsOf, startResponses, weather } from '../setup/start-responses.ts';

const callOf = (name: string, given: object) =>
  `<tool_call>\n${JSON.stringify({ name, arguments: given })}\n</tool_call>`;
const home = { type: 'namespace', name: 'home', description: 'The house.', tools: [weather, applyPatch] };
const PATCH = '*** Begin Patch\n*** Add File: "a"\n+ä\n*** End Patch';

describe('tools within a namespace', () => {
  it('AP147: are told as functions and called by the name and namespace that the client knows', async () => {
    const { mesh, post } = startResponses([{ say: callOf('home__weather', { city: 'Paris' }) }]);
    const { output, tools } = (await post({ input: 'Warm?', tools: [home, weather] })).json();

    const [system] = mesh.requests[0]?.messages ?? [];
    expect(system?.content).toContain('"name":"home__weather"');
    expect(system?.content).toContain('"name":"weather"');
    expect(output).toMatchObject([
      { type: 'function_call', name: 'weather', namespace: 'home', arguments: '{"city":"Paris"}' },
    ]);
    expect(tools).toMatchObject([
      { type: 'namespace', name: 'home' },
      { type: 'function', name: 'weather' },
    ]);
  });

  it('AP147: may be the one that has to be called', async () => {
    const { mesh, post } = startResponses([{ say: '{"name": "home__weather", "arguments": {"city": "Rome"}}' }]);
    const choice = { type: 'function', name: 'weather', namespace: 'home' };
    const { output, tool_choice } = (await post({ input: 'Warm?', tools: [home], tool_choice: choice })).json();
    expect(output).toMatchObject([{ name: 'weather', namespace: 'home' }]);
    expect(tool_choice).toEqual(choice);
    expect(JSON.stringify(mesh.requests[0]?.responseFormat)).toContain('home__weather');
  });

  it('AP148: are told again as they were called', async () => {
    const { mesh, post } = startResponses();
    await post({
      input: [
        { role: 'user', content: 'Warm?' },
        { type: 'function_call', call_id: 'c1', name: 'weather', namespace: 'home', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: '21' }] },
      ],
    });
    expect(mesh.requests[0]?.messages[1]?.content).toContain('"name": "home__weather"');
    expect(mesh.requests[0]?.messages[2]?.content).toContain('21');
  });

  it('AP147: go without the namespace where both together are too long a name', async () => {
    const name = 'n'.repeat(60);
    const { mesh, post } = startResponses();
    await post({ input: 'Hi', tools: [{ type: 'namespace', name, tools: [weather] }] });
    expect(mesh.requests[0]?.messages[0]?.content).toContain('"name":"weather"');
  });
});

describe('tools that take a text', () => {
  it('AP147: are told with their grammar, and called with a text', async () => {
    const { mesh, post } = startResponses([{ say: callOf('apply_patch', { input: PATCH }) }]);
    const { output } = (await post({ input: 'Add a file.', tools: [applyPatch] })).json();
    expect(mesh.requests[0]?.messages[0]?.content).toContain('begin_patch: ');
    expect(output).toEqual([
      {
        type: 'custom_tool_call',
        id: `ctc_${JOB_ID}0`,
        status: 'completed',
        call_id: `call_${JOB_ID.slice(0, 24)}_0`,
        name: 'apply_patch',
        input: PATCH,
      },
    ]);
  });

  it('AP147: are streamed as what OpenAI calls their input', async () => {
    const { post } = startResponses([...callOf('apply_patch', { input: PATCH })].map((sign) => ({ say: sign })));
    const events = eventsOf((await post({ input: 'Add a file.', tools: [applyPatch], stream: true })).body);
    const inner = events.filter(({ type }) => type.startsWith('response.custom_tool_call_input.'));
    expect(
      inner
        .filter(({ type }) => type.endsWith('.delta'))
        .map(({ delta }) => delta)
        .join(''),
    ).toBe(PATCH);
    expect(inner.at(-1)).toMatchObject({ type: 'response.custom_tool_call_input.done', input: PATCH });
    expect(events.find(({ type }) => type === 'response.output_item.added')).toMatchObject({
      item: { type: 'custom_tool_call', status: 'in_progress', input: '' },
    });
  });

  it.each([
    ['a lone text', '"a"', 'a'],
    ['another object', '{"patch": "a"}', '{"patch": "a"}'],
    ['an input of another kind', '{"input": 7}', '{"input": 7}'],
  ])('AP147: take %s as what it is', async (_what, given, input) => {
    const { post } = startResponses([
      { say: `<tool_call>\n{"name": "apply_patch", "arguments": ${given}}\n</tool_call>` },
    ]);
    const { output } = (await post({ input: 'Go.', tools: [applyPatch] })).json();
    expect(output).toMatchObject([{ type: 'custom_tool_call', input }]);
  });

  it('AP147: may be the one that has to be called', async () => {
    const say = JSON.stringify({ name: 'apply_patch', arguments: { input: PATCH } });
    const { mesh, post } = startResponses([{ say }]);
    const tool_choice = { type: 'custom', name: 'apply_patch' };
    const { output } = (await post({ input: 'Go.', tools: [applyPatch, weather], tool_choice })).json();
    expect(output).toMatchObject([{ type: 'custom_tool_call', input: PATCH }]);
    expect(mesh.requests[0]?.responseFormat?.type).toBe('json_schema');
  });
});

describe('tools that nobody has', () => {
  it.each([
    'web_search',
    'web_search_preview_2025_03_11',
    'file_search',
    'code_interpreter',
    'image_generation',
    'mcp',
    'local_shell',
    'shell',
    'computer_use_preview',
    'computer',
    'apply_patch',
    'tool_search',
  ])('AP147: are left out (%s), and the others are told', async (type) => {
    const { mesh, post } = startResponses([{ say: call }]);
    const response = (await post({ input: 'Warm?', tools: [{ type, options: { a: 1 } }, weather] })).json();
    expect(response.output).toMatchObject([{ type: 'function_call', name: 'weather' }]);
    expect(response.tools).toMatchObject([{ name: 'weather' }]);
    expect(mesh.requests[0]?.messages[0]?.content).not.toContain(type);
  });

  it('AP147: leave an answer of text where there are no others', async () => {
    const { mesh, post } = startResponses();
    expect((await post({ input: 'Hi', tools: [{ type: 'web_search' }] })).json().status).toBe('completed');
    expect(mesh.requests[0]?.messages).toEqual([{ role: 'user', content: 'Hi' }]);
  });
});

describe('the choice of tools', () => {
  const other = { ...weather, name: 'other' };

  it('AP147: may allow some of them, and no other is told', async () => {
    const { mesh, post } = startResponses([{ say: call }]);
    const tool_choice = {
      type: 'allowed_tools',
      mode: 'auto',
      tools: [{ type: 'function', name: 'weather' }, { type: 'web_search' }],
    };
    const response = (await post({ input: 'Warm?', tools: [other, weather], tool_choice })).json();
    expect(response).toMatchObject({ tool_choice, output: [{ name: 'weather' }] });
    expect(response.tools).toHaveLength(2);
    expect(mesh.requests[0]?.messages[0]?.content).not.toContain('"other"');
  });

  it('AP147: may require one of those that it allows', async () => {
    const { mesh, post } = startResponses([{ say: '{"name": "weather", "arguments": {"city": "Rome"}}' }]);
    const tool_choice = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'weather' }] };
    expect((await post({ input: 'Warm?', tools: [other, weather], tool_choice })).json().output).toMatchObject([
      { name: 'weather' },
    ]);
    const form = JSON.stringify(mesh.requests[0]?.responseFormat);
    expect(form).toContain('"weather"');
    expect(form).not.toContain('"other"');
  });

  it('AP147: max_tool_calls ends them: at one the model stops, beyond more none is told', async () => {
    const { mesh, post } = startResponses([{ say: call }, { say: call }, { say: call }]);
    const two = (await post({ input: 'Warm?', tools: [weather], max_tool_calls: 2 })).json();
    expect(two.output.map((item: { readonly type: string }) => item.type)).toEqual(['function_call', 'function_call']);
    expect(two.max_tool_calls).toBe(2);
    await post({ input: 'Warm?', tools: [weather], max_tool_calls: 1 });
    expect(mesh.requests.at(-1)?.stop).toEqual(['</tool_call>']);
  });
});

describe('a history of other tools', () => {
  it('AP148: is taken: texts, calls and results are told, what nobody can do is left out', async () => {
    const { mesh, post } = startResponses();
    const reply = await post({
      input: [
        { role: 'developer', content: [{ type: 'input_text', text: 'Be kind.' }] },
        { role: 'user', content: 'Hi' },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'x' },
        { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'q' } },
        { type: 'custom_tool_call', id: 'ctc_1', call_id: 'c1', name: 'apply_patch', input: PATCH },
        { type: 'custom_tool_call_output', call_id: 'c1', output: 'Done.' },
        {
          type: 'local_shell_call',
          id: 'ls_1',
          call_id: 'c2',
          status: 'completed',
          action: { type: 'exec', command: ['ls'] },
        },
        { type: 'local_shell_call_output', id: 'ls_1', call_id: 'c2', output: 'a.txt' },
        { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }], phase: 'final_answer' },
        { role: 'user', content: 'Why?' },
      ],
    });

    expect(reply.statusCode).toBe(200);
    const messages = mesh.requests[0]?.messages ?? [];
    expect(messages.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(messages[2]?.content).toContain(JSON.stringify({ input: PATCH }));
    expect(messages[3]?.content).toContain('Done.');
    expect(messages[4]?.content).toContain('"command":["ls"]');
    expect(messages[5]?.content).toContain('a.txt');
    expect(messages[6]?.content).toBe('No.');
    expect(JSON.stringify(messages)).not.toContain('Hm.');
  });
});

describe("Codex' first request", () => {
  it('AP149: goes through, with a call of a namespace that it knows again', async () => {
    const { mesh, post } = startResponses([
      { say: callOf('exec_command', { cmd: 'ls' }) },
      { say: callOf('multi_agent_v1__close_agent', { target: 'a' }) },
      { say: callOf('apply_patch', { input: PATCH }) },
    ]);

    const reply = await post(codexRequest);

    expect(reply.statusCode).toBe(200);
    const done = eventsOf(reply.body).filter(({ type }) => type === 'response.output_item.done');
    expect(done.map(({ item }) => item)).toMatchObject([
      { type: 'function_call', name: 'exec_command', arguments: '{"cmd":"ls"}' },
      { type: 'function_call', name: 'close_agent', namespace: 'multi_agent_v1' },
      { type: 'custom_tool_call', name: 'apply_patch', input: PATCH },
    ]);
    const [system, ...others] = mesh.requests[0]?.messages ?? [];
    expect(system?.content.startsWith('You are a coding agent.\n\nYou are a coding agent running')).toBe(true);
    expect(others.map(({ role }) => role)).toEqual(['user', 'user']);
    expect(mesh.requests[0]?.conversationId).toBe(codexRequest.prompt_cache_key);
  });
});
