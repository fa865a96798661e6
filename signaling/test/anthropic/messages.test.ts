import { type AnswerEvent, MeshError, type MeshErrorCode } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { JOB_ID, type ScriptedMesh } from '../setup/scripted-mesh.ts';
import { asked, messageEvents, startMessages } from '../setup/start-messages.ts';

const weather = { name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } };
const call = '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>';
const callId = `toolu_${JOB_ID.slice(0, 24)}_0`;
const usage = {
  input_tokens: 3,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 2,
  output_tokens: 2,
};
const turns = ({ requests }: ScriptedMesh) => requests[0]?.messages.map(({ role, content }) => `${role}: ${content}`);

describe('a message', () => {
  it("AM1: has Anthropic's shape, usage included, and the headers of the mesh", async () => {
    const { mesh, post } = startMessages();
    const reply = await post(asked, { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'a,b' });
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toEqual({
      id: `msg_${JOB_ID}`,
      type: 'message',
      role: 'assistant',
      model: 'mesh-tiny',
      content: [{ type: 'text', text: 'Hello there', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      container: null,
      usage,
    });
    expect(reply.headers).toMatchObject({ 'x-tabmesh-served-by': 'mesh', 'x-tabmesh-peer': mesh.servedBy });
    expect(reply.headers['request-id']).toBeTruthy();
  });

  it('AM2: every field that is understood reaches the mesh', async () => {
    const { mesh, post } = startMessages();
    await post({
      ...asked,
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=2;' },
        { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'Be kind.' },
      ],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 10,
      stop_sequences: ['END'],
      service_tier: 'auto',
      metadata: { user_id: 'user_1_account_2_session_0f0e0d0c-0000-4000-8000-000000000001' },
      output_config: { effort: 'low', format: { type: 'json_schema', schema: { type: 'object' } } },
      context_management: { edits: [] },
      what_nobody_knows: 1,
    });
    expect(mesh.requests[0]).toMatchObject({
      model: 'mesh-tiny',
      messages: [
        { role: 'system', content: 'Be brief.\n\nBe kind.' },
        { role: 'user', content: 'Hi' },
      ],
      maxTokens: 64,
      temperature: 0.5,
      topP: 0.9,
      stop: ['END'],
      responseFormat: { type: 'json_schema', schema: { type: 'object' } },
      conversationId: '0f0e0d0c-0000-4000-8000-000000000001',
      thinking: false,
    });
  });

  it('AM3: blocks of every kind are turns of the conversation', async () => {
    const { mesh, post } = startMessages();
    const reply = await post({
      ...asked,
      system: 'Be brief.',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Weather?', cache_control: { type: 'ephemeral' } },
            { type: 'document', title: 'Map', source: { type: 'text', media_type: 'text/plain', data: 'Rome' } },
            { type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'found' }] },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: 'x' },
            { type: 'redacted_thinking', data: 'x' },
            { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
            { type: 'web_search_tool_result', tool_use_id: 's', content: [] },
            { type: 'text', text: 'Let me look.' },
            { type: 'tool_use', id: 'a', name: 'weather', input: { city: 'Rome' }, caller: { type: 'direct' } },
            { type: 'tool_use', id: 'b', name: 'weather', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'b', is_error: true, content: 'no city' },
            {
              type: 'tool_result',
              tool_use_id: 'a',
              content: [
                { type: 'text', text: '21' },
                { type: 'tool_reference', tool_name: 'x' },
                { type: 'text', text: 'degrees' },
              ],
            },
            { type: 'tool_result', tool_use_id: 'c' },
            { type: 'text', text: 'Well?' },
          ],
        },
        { role: 'system', content: 'Hurry.' },
        { role: 'user', content: [] },
      ],
    });
    expect(reply.statusCode).toBe(200);
    const response = (text: string) => `<tool_response>\n${text}\n</tool_response>`;
    expect(turns(mesh)).toEqual([
      'system: Be brief.',
      'user: Weather?\n\nMap\nRome\n\nt\ns\nfound',
      expect.stringMatching(/^assistant: Let me look\.\n<tool_call>[\s\S]*Rome[\s\S]*<\/tool_call>\n<tool_call>/),
      `user: ${response('21\n\ndegrees')}\n${response('Error: no city')}\n${response('')}`,
      'user: Well?',
      'system: Hurry.',
      'user: ',
    ]);
  });

  it("AM4: streamed it is Anthropic's events in their order", async () => {
    const { post } = startMessages();
    const reply = await post({ ...asked, stream: true });
    expect(reply.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    const [start, ...rest] = messageEvents(reply.body);
    expect(start).toMatchObject({
      type: 'message_start',
      message: { id: `msg_${JOB_ID}`, type: 'message', role: 'assistant', content: [], stop_reason: null },
    });
    expect(rest).toEqual([
      { type: 'ping' },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '', citations: null } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' there' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null, container: null },
        usage,
      },
      { type: 'message_stop' },
    ]);
  });

  it('AM5: calls of tools are blocks, in one piece and streamed', async () => {
    const { mesh, post } = startMessages([{ say: 'Let me look. ' }, ...[...call].map((say) => ({ say }))]);
    const whole = (await post({ ...asked, tools: [weather] })).json();
    expect(whole).toMatchObject({
      content: [
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_use', id: callId, name: 'weather', input: { city: 'Rome' } },
      ],
      stop_reason: 'tool_use',
    });
    expect(mesh.requests[0]?.messages[0]?.content).toContain('"name":"weather"');
    const events = messageEvents((await post({ ...asked, tools: [weather], stream: true })).body);
    expect(events.filter(({ type }) => type === 'content_block_start').map((event) => event.content_block)).toEqual([
      { type: 'text', text: '', citations: null },
      { type: 'tool_use', id: callId, name: 'weather', input: {} },
    ]);
    const json = events.flatMap(({ delta }) => (delta as { partial_json?: string } | undefined)?.partial_json ?? []);
    expect(json.length).toBeGreaterThan(1);
    expect(json.join('')).toBe('{"city": "Rome"}');
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });
  });

  it('AM5: a call of a strict tool that does not follow its schema is no answer', async () => {
    const { post } = startMessages([{ say: '<tool_call>{"name": "weather", "arguments": {"city": 7}}</tool_call>' }]);
    expect((await post({ ...asked, tools: [weather] })).statusCode).toBe(200);
    expect((await post({ ...asked, tools: [{ ...weather, strict: true }] })).json().error.type).toBe('api_error');
  });

  it.each([
    ['any', { type: 'any' }, { schema: { anyOf: [{ properties: { name: { const: 'weather' } } }, {}] } }],
    ['tool', { type: 'tool', name: 'weather' }, { schema: { properties: { name: { const: 'weather' } } } }],
    ['auto', { type: 'auto' }, undefined],
  ])('AM5: tool_choice %s is kept', async (_name, tool_choice, responseFormat) => {
    const { mesh, post } = startMessages();
    await post({ ...asked, tools: [weather, { ...weather, name: 'other' }], tool_choice });
    if (responseFormat === undefined) expect(mesh.requests[0]?.responseFormat).toBeUndefined();
    else expect(mesh.requests[0]?.responseFormat).toMatchObject(responseFormat);
  });

  it('AM5: tool_choice none tells of no tools, and disable_parallel_tool_use has one call', async () => {
    const { mesh, post } = startMessages();
    await post({ ...asked, tools: [weather], tool_choice: { type: 'none' } });
    await post({ ...asked, tools: [weather], tool_choice: { type: 'auto', disable_parallel_tool_use: true } });
    expect(turns(mesh)).toEqual(['user: Hi']);
    expect(mesh.requests[1]?.stop).toEqual(['</tool_call>']);
  });

  it('AM5: a call whose arguments are no JSON object is told as what was written', async () => {
    const { post } = startMessages([{ say: '<tool_call>{"name": "weather", "arguments": {"city": "Ro' }]);
    expect((await post({ ...asked, tools: [weather] })).json().content).toEqual([
      { type: 'tool_use', id: callId, name: 'weather', input: { INVALID_JSON: '{"city": "Ro' } },
    ]);
  });

  it('AM6: tools that the client runs are functions by their type too, and those of servers are left out', async () => {
    const { mesh, post } = startMessages();
    const reply = await post({
      ...asked,
      tools: [
        { type: 'bash_20250124', name: 'bash' },
        { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
        { type: 'memory_20250818', name: 'memory' },
        { type: 'custom', ...weather, cache_control: { type: 'ephemeral' }, strict: true },
        { type: 'web_search_20250305', name: 'web_search', max_uses: 5 },
        { type: 'computer_20250124', name: 'computer', display_width_px: 1 },
        { type: 'code_execution_20250825', name: 'code_execution' },
        { type: 'mcp_toolset', mcp_server_name: 'x' },
      ],
    });
    expect(reply.statusCode).toBe(200);
    const told = mesh.requests[0]?.messages[0]?.content ?? '';
    const names = [...told.matchAll(/"function":\{"name":"(\w+)"/g)].map(([, name]) => name);
    expect(names).toEqual(['bash', 'str_replace_based_edit_tool', 'memory', 'weather']);
  });

  it('AM7: says why it ended', async () => {
    const ended = async (end: object) => {
      const { mesh, post } = startMessages();
      withEvents(mesh, [{ type: 'tokens', text: 'Well', tokenCount: 1 }], end);
      return (await post({ ...asked, stop_sequences: ['END', 'STOP'] })).json();
    };
    expect(await ended({ reason: 'length' })).toMatchObject({ stop_reason: 'max_tokens', stop_sequence: null });
    expect(await ended({ reason: 'stop' })).toMatchObject({ stop_reason: 'end_turn', stop_sequence: null });
    expect(await ended({ stopText: 'STOP' })).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'STOP' });
    // What only the entry asked to stop at is nobody's stop sequence.
    expect(await ended({ stopText: '</tool_call>' })).toMatchObject({ stop_reason: 'end_turn', stop_sequence: null });
  });

  it('AM8: thoughts are blocks where they are asked for, and else dropped', async () => {
    const { mesh, post } = startMessages();
    withEvents(mesh, [
      { type: 'tokens', text: 'Hm', tokenCount: 1, thought: true },
      { type: 'tokens', text: '<tool_call>', tokenCount: 1, thought: true },
      { type: 'tokens', text: 'Yes.', tokenCount: 1 },
    ]);
    const thinking = { type: 'enabled', budget_tokens: 1024 };
    expect((await post({ ...asked, tools: [weather], thinking })).json().content).toEqual([
      { type: 'thinking', thinking: 'Hm<tool_call>', signature: '' },
      { type: 'text', text: 'Yes.', citations: null },
    ]);
    for (const without of [{}, { thinking: { type: 'disabled' } }, { thinking: { ...thinking, display: 'omitted' } }]) {
      const { content } = (await post({ ...asked, ...without })).json();
      expect(content).toEqual([{ type: 'text', text: 'Yes.', citations: null }]);
    }
    expect(mesh.requests.map((request) => request.thinking)).toEqual([true, false, false, true]);
    const events = messageEvents((await post({ ...asked, thinking, stream: true })).body);
    expect(events.slice(2, 8)).toEqual([
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: '<tool_call>' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: '' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '', citations: null } },
    ]);
  });

  it('AM9: its tokens are counted by the model that would answer', async () => {
    const { mesh, post } = startMessages();
    const { max_tokens: _none, ...counted } = asked;
    const choice = { tools: [weather], tool_choice: { type: 'any' } };
    const reply = await post({ ...counted, ...choice, stop_sequences: ['a'] }, {}, '/count_tokens?beta=true');
    expect(reply.json()).toEqual({ input_tokens: 5 });
    expect(mesh.requests[0]).toMatchObject({ model: 'mesh-tiny', maxTokens: 1 });
    expect(mesh.requests[0]?.responseFormat).toBeUndefined();
    expect(mesh.requests[0]?.messages[0]?.content).toContain('"name":"weather"');
  });
});

describe('a message that fails', () => {
  it.each<[MeshErrorCode, number, string]>([
    ['invalid_request', 400, 'invalid_request_error'],
    ['context_length_exceeded', 400, 'invalid_request_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['mesh_busy', 429, 'rate_limit_error'],
    ['engine_failed', 502, 'api_error'],
    ['no_peer_with_model', 503, 'overloaded_error'],
  ])("AM10: %s is %i %s in Anthropic's shape", async (code, status, type) => {
    const { post } = startMessages([{ fail: new MeshError(code, 'A sentence.') }]);
    for (const stream of [false, true]) {
      const reply = await post({ ...asked, stream });
      expect(reply.statusCode).toBe(status);
      expect(reply.json()).toEqual({
        type: 'error',
        error: { type, message: 'A sentence.' },
        request_id: reply.headers['request-id'],
      });
    }
  });

  it('AM10: after its first token is told by an error event', async () => {
    const { post } = startMessages([{ say: 'Well' }, { fail: MeshError.engineFailed('it broke') }]);
    const events = messageEvents((await post({ ...asked, stream: true })).body);
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      error: { type: 'api_error', message: expect.stringContaining('it broke') },
    });
    expect(events.map(({ type }) => type)).not.toContain('message_stop');
  });

  it('AM10: because its body is no JSON, its path unknown or its key missing has that shape too', async () => {
    const { app, post } = startMessages(undefined, { keys: 'alice:k9x8w7v6u5t4s3r2' });
    const key = { 'x-api-key': 'k9x8w7v6u5t4s3r2' };
    const headers = { ...key, 'content-type': 'application/json' };
    const broken = await app.inject({ method: 'POST', url: '/v1/messages', payload: '{', headers });
    expect(broken.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    const unknown = await post(asked, key, '/batches');
    expect([unknown.statusCode, unknown.json().error.type]).toEqual([404, 'not_found_error']);
    const stranger = await post(asked, { 'x-api-key': 'no-key-of-this-entry' });
    expect([stranger.statusCode, stranger.json().error.type]).toEqual([401, 'authentication_error']);
    expect(stranger.headers['request-id']).toBe(stranger.json().request_id);
    const other = await app.inject({ method: 'POST', url: '/v1/completions', payload: {}, headers });
    expect(other.json().error).toMatchObject({ code: 'invalid_request' });
  });

  it('AM11: a key counts in x-api-key as in authorization, and beside a token of another', async () => {
    const { app, post } = startMessages(undefined, { keys: 'alice:k9x8w7v6u5t4s3r2' });
    const key = 'k9x8w7v6u5t4s3r2';
    for (const headers of [
      { 'x-api-key': key },
      { authorization: `Bearer ${key}` },
      { 'x-api-key': key, authorization: 'Bearer sk-ant-of-somebody-else' },
      { 'x-api-key': 'sk-ant-of-somebody-else', authorization: `Bearer ${key}` },
    ]) {
      expect((await post(asked, headers)).statusCode).toBe(200);
    }
    const models = await app.inject({ url: '/v1/models', headers: { 'x-api-key': key } });
    expect(models.statusCode).toBe(200);
  });
});

/** What the mesh gives behind its route, instead of its script. */
function withEvents(mesh: ScriptedMesh, events: readonly AnswerEvent[], end: object = {}): void {
  const complete = mesh.complete.bind(mesh);
  mesh.complete = async function* (request, signal) {
    for await (const event of complete(request, signal)) {
      if (event.type === 'route') {
        yield event;
        yield* events;
      } else if (event.type === 'end') yield { ...event, ...end };
    }
  };
}
