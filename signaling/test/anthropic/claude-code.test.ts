/** Requests as Claude Code makes them: its check of the account, its title, and the first question of a session. */
import { describe, expect, it } from 'vitest';
import { messageEvents, startMessages } from '../setup/start-messages.ts';

const headers = {
  accept: 'application/json',
  'anthropic-version': '2023-06-01',
  'anthropic-beta':
    'claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,prompt-caching-scope-2026-01-05,effort-2025-11-24',
  'anthropic-dangerous-direct-browser-access': 'true',
  authorization: 'Bearer k9x8w7v6u5t4s3r2',
  'user-agent': 'claude-cli/2.1.37 (external, cli)',
  'x-app': 'cli',
  'x-stainless-retry-count': '0',
};
const session = '5f2c7d1e-8a3b-4c6d-9e0f-112233445566';
const metadata = { user_id: JSON.stringify({ device_id: 'a'.repeat(64), account_uuid: '', session_id: session }) };
const ephemeral = { cache_control: { type: 'ephemeral' } };
const schemaOf = (properties: Record<string, object>, required: readonly string[]) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const text = { type: 'string' };

const bash = {
  name: 'Bash',
  description: 'Executes a given bash command.\n\n<note>Quote paths with spaces, "so".</note>'.repeat(50),
  input_schema: schemaOf(
    {
      command: { ...text, description: 'The command to execute' },
      timeout: { type: 'number', description: 'Optional timeout in milliseconds (max 600000)' },
      run_in_background: { type: 'boolean' },
    },
    ['command'],
  ),
};
const askUser = {
  name: 'AskUserQuestion',
  description: 'Asks the user.',
  input_schema: schemaOf(
    {
      questions: {
        type: 'array',
        minItems: 1,
        maxItems: 4,
        items: schemaOf(
          {
            question: text,
            options: { type: 'array', minItems: 2, items: schemaOf({ label: text, preview: text }, ['label']) },
            multiSelect: { default: false, type: 'boolean' },
          },
          ['question', 'options'],
        ),
      },
      answers: { type: 'object', propertyNames: text, additionalProperties: text },
    },
    ['questions'],
  ),
};
const fetchPage = {
  name: 'WebFetch',
  description: 'Fetches a page.',
  input_schema: schemaOf({ url: { ...text, format: 'uri' }, prompt: text }, ['url', 'prompt']),
};
const others = Array.from({ length: 60 }, (_, index) => ({
  name: `mcp__server_with_a_long_name__tool_with_a_name_that_is_longer_than_openai_allows_${index}`,
  description: 'Does something.',
  input_schema: { type: 'object', properties: { value: { anyOf: [text, { type: 'null' }] } } },
  eager_input_streaming: true,
}));

const first = {
  model: 'mesh-tiny',
  max_tokens: 32_000,
  stream: true,
  temperature: 1,
  thinking: { type: 'adaptive' },
  output_config: { effort: 'high' },
  context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
  metadata,
  system: [
    { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=fa690;' },
    { type: 'text', text: "You are Claude Code, Anthropic's official CLI for Claude.", ...ephemeral },
    { type: 'text', text: 'You are an interactive agent.', cache_control: { type: 'ephemeral', ttl: '1h' } },
  ],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: '<system-reminder>\nToday is a day.\n</system-reminder>' },
        { type: 'text', text: 'List the files.', ...ephemeral },
      ],
    },
  ],
  tools: [bash, askUser, fetchPage, ...others, { type: 'web_search_20250305', name: 'web_search', max_uses: 8 }],
};

const access = { keys: 'alice:k9x8w7v6u5t4s3r2' };
const call = '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>';

describe('Claude Code', () => {
  it('AM13: has the first question of a session answered, with a call of a tool', async () => {
    const { mesh, post } = startMessages([{ say: call }], access);
    const reply = await post(first, headers, '?beta=true');
    expect(reply.statusCode).toBe(200);
    const events = messageEvents(reply.body);
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' }, usage: { input_tokens: 3 } });
    expect(events[2]).toMatchObject({ content_block: { type: 'tool_use', name: 'Bash' } });
    const [asked] = mesh.requests;
    expect(asked).toMatchObject({ maxTokens: 32_000, thinking: true, conversationId: session });
    expect(asked?.messages.map(({ role }) => role)).toEqual(['system', 'user']);
    expect(asked?.messages[0]?.content).toMatch(/^You are Claude Code.*\n\nYou are an interactive agent\.\n\n# Tools/);
    expect(asked?.messages[0]?.content).toContain(others[59]?.name);
    expect(asked?.messages[0]?.content).not.toContain('web_search');
    expect(asked?.messages[1]?.content).toMatch(/^<system-reminder>[\s\S]*<\/system-reminder>\n\nList the files\.$/);
  });

  it('AM13: goes on with the result of the call', async () => {
    const { mesh, post } = startMessages([{ say: 'One file.' }], access);
    const id = 'toolu_0123_0';
    const reply = await post(
      {
        ...first,
        messages: [
          ...first.messages,
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'I list them.', signature: '' },
              { type: 'tool_use', id, name: 'Bash', input: { command: 'ls' }, caller: { type: 'direct' } },
            ],
          },
          {
            role: 'user',
            content: [{ tool_use_id: id, type: 'tool_result', content: 'a.txt', is_error: false, ...ephemeral }],
          },
        ],
      },
      headers,
      '?beta=true',
    );
    expect(messageEvents(reply.body).at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' } });
    expect(mesh.requests[0]?.messages.slice(2)).toEqual([
      { role: 'assistant', content: expect.stringMatching(/^<tool_call>\n.*"Bash".*"ls".*\n<\/tool_call>$/) },
      { role: 'user', content: '<tool_response>\na.txt\n</tool_response>' },
    ]);
  });

  it('AM13: has its look at the account and its title answered, and the way there found', async () => {
    const { app, mesh, post } = startMessages(undefined, access);
    const quota = { model: 'mesh-tiny', max_tokens: 1, messages: [{ role: 'user', content: 'quota' }], metadata };
    expect((await post(quota, headers, '?beta=true')).statusCode).toBe(200);
    const schema = { type: 'object', properties: { title: text }, required: ['title'], additionalProperties: false };
    const title = { ...quota, max_tokens: 512, tools: [], output_config: { format: { type: 'json_schema', schema } } };
    mesh.script = [{ say: '{"title": "Files"}' }];
    expect((await post(title, headers, '?beta=true')).json().content).toMatchObject([{ text: '{"title": "Files"}' }]);
    expect((await app.inject({ method: 'HEAD', url: '/' })).statusCode).toBeLessThan(500);
  });
});
