import { setImmediate } from 'node:timers/promises';
import { MeshError } from '@tabmesh/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScriptedMesh, JOB_ID, type ScriptedMesh, type ScriptStep } from '../setup/scripted-mesh.ts';
import { eventsOf, question, startServer } from '../setup/start-server.ts';
import { MODEL, startWithProvider } from '../setup/start-with-provider.ts';

const tools = [
  {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
];
const call = { say: '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>' };

describe('an answer that calls tools', () => {
  it('TL16: in one piece it has the calls, and no content unless there is text too', async () => {
    const { mesh, post } = startServer([call, call]);

    const reply = await post({ ...question, tools });

    const calls = [0, 1].map((index) => ({
      id: `call_${JOB_ID.slice(0, 24)}_${index}`,
      type: 'function',
      function: { name: 'weather', arguments: '{"city": "Rome"}' },
    }));
    expect(reply.json().choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: null, refusal: null, tool_calls: calls },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ]);
    mesh.script = [{ say: 'Wait. ' }, call];
    const { message } = (await post({ ...question, tools })).json().choices[0];
    expect(message).toMatchObject({ content: 'Wait.', tool_calls: [{ function: { name: 'weather' } }] });
  });

  it("TL17: streamed it has OpenAI's deltas: the name first, then the arguments as they come", async () => {
    const texts = [
      'Wait.',
      ' <tool',
      '_call>{"name": "weather", "argum',
      'ents": {"city"',
      ': "Rome"}',
      '}</tool_call>',
    ];
    const { post } = startServer(texts.map((say) => ({ say })));

    const reply = await post({ ...question, tools, stream: true });

    const chunks = eventsOf(reply.body).slice(0, -1) as {
      choices: [{ delta: object; finish_reason: string | null }];
    }[];
    expect(chunks.map(({ choices: [{ delta }] }) => delta)).toEqual([
      { role: 'assistant', content: null, refusal: null },
      { content: 'Wait.' },
      {
        tool_calls: [
          {
            index: 0,
            id: `call_${JOB_ID.slice(0, 24)}_0`,
            type: 'function',
            function: { name: 'weather', arguments: '' },
          },
        ],
      },
      { tool_calls: [{ index: 0, function: { arguments: '{"city"' } }] },
      { tool_calls: [{ index: 0, function: { arguments: ': "Rome"}' } }] },
      {},
    ]);
    expect(chunks.at(-1)?.choices[0].finish_reason).toBe('tool_calls');
  });

  it('TL17: streamed it adds up to the answer in one piece, whatever the model says', async () => {
    const { mesh, post } = startServer();
    const piece = fc.constantFrom(
      call.say,
      '<tool_call>',
      '{"name": "weather", "arguments": {"a',
      '"}}',
      ' ',
      'x',
      '</tool',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), async (said) => {
        mesh.script = said.map((say) => ({ say }));
        const [whole] = (await post({ ...question, tools })).json().choices;
        const streamed = await post({ ...question, tools, stream: true });
        expect(addedUp(eventsOf(streamed.body))).toEqual({
          content: whole.message.content ?? '',
          calls: whole.message.tool_calls ?? [],
          reason: whole.finish_reason,
        });
      }),
      { numRuns: 100 },
    );
  });

  it('TL16: an answer without a call is text, as ever', async () => {
    const { post } = startServer([{ say: 'Sunny, 1 <' }, { say: ' 2.\n' }]);

    const { message, finish_reason } = (await post({ ...question, tools })).json().choices[0];

    expect({ message, finish_reason }).toEqual({
      message: { role: 'assistant', content: 'Sunny, 1 < 2.\n', refusal: null },
      finish_reason: 'stop',
    });
  });

  it('TL16: the calls and results of a conversation reach the mesh as text', async () => {
    const { mesh, post } = startServer();

    await post({
      messages: [
        ...question.messages,
        { role: 'assistant', tool_calls: [{ id: 'b', function: { name: 'weather', arguments: '{}' } }] },
        { role: 'tool', tool_call_id: 'b', content: '20°' },
      ],
    });

    expect(mesh.requests[0]?.messages).toEqual([
      ...question.messages,
      { role: 'assistant', content: '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>' },
      { role: 'user', content: '<tool_response>\n20°\n</tool_response>' },
    ]);
  });

  it('TL11: a call that must come is the whole answer, enforced as a schema', async () => {
    const { mesh, post } = startServer([{ say: '{"name": "weather", ' }, { say: '"arguments": {"city": "Rome"}}' }]);

    const reply = await post({ ...question, tools, tool_choice: 'required' });

    expect(mesh.requests[0]?.responseFormat).toMatchObject({
      schema: { properties: { name: { const: 'weather' }, arguments: tools[0]?.function.parameters } },
    });
    expect(reply.json().choices[0]).toMatchObject({
      message: { content: null, tool_calls: [{ function: { name: 'weather', arguments: '{"city": "Rome"}' } }] },
      finish_reason: 'tool_calls',
    });
  });

  it('TL18: when no peer can do that, the refusal names tool_choice', async () => {
    const refusal = new MeshError('invalid_request', 'Nobody can.', { details: { param: 'response_format' } });
    const { post } = startServer([{ fail: refusal }]);

    const required = await post({ ...question, tools, tool_choice: 'required' });
    const asked = await post({ ...question, response_format: { type: 'json_object' } });

    expect(required.json().error).toMatchObject({ code: 'invalid_request', param: 'tool_choice' });
    expect(asked.json().error).toMatchObject({ code: 'invalid_request', param: 'response_format' });
  });
});

describe('an answer with probabilities', () => {
  const likelihood = (token: string, logprob: number) => ({ token, logprob, top: [{ token: 'x', logprob: -3 }] });
  const told = (token: string, logprob: number) => ({
    token,
    logprob,
    bytes: [...Buffer.from(token)],
    top_logprobs: [{ token: 'x', logprob: -3, bytes: [120] }],
  });
  const script = [
    { say: '', logprobs: [{ ...likelihood('\ufffd', -1), bytes: [0xc3] }] },
    { say: 'é', logprobs: [likelihood('é', -0.5)] },
    { say: '!', logprobs: [likelihood('!', -0.25)] },
  ];

  it('AP23: in one piece it tells of every token', async () => {
    const { post } = startServer(script);

    const { logprobs } = (await post({ ...question, logprobs: true, top_logprobs: 1 })).json().choices[0];

    expect(logprobs).toEqual({
      content: [{ ...told('\ufffd', -1), bytes: [0xc3] }, told('é', -0.5), told('!', -0.25)],
      refusal: null,
    });
  });

  it.each([{}, { tools }])(
    'AP23: streamed it tells of every token once, with the text that it is part of %j',
    async (more) => {
      const { post } = startServer([...script, { say: '', logprobs: [likelihood('', -2)] }]);

      const reply = await post({ ...question, ...more, logprobs: true, top_logprobs: 1, stream: true });

      const chunks = eventsOf(reply.body).slice(1, -1) as { choices: [{ delta: object; logprobs: object | null }] }[];
      expect(chunks.map(({ choices: [{ delta, logprobs }] }) => ({ delta, logprobs }))).toEqual([
        {
          delta: { content: 'é' },
          logprobs: { content: [{ ...told('\ufffd', -1), bytes: [0xc3] }, told('é', -0.5)], refusal: null },
        },
        { delta: { content: '!' }, logprobs: { content: [told('!', -0.25)], refusal: null } },
        { delta: {}, logprobs: { content: [told('', -2)], refusal: null } },
      ]);
    },
  );
});

describe('several choices', () => {
  it('AP24: are as many jobs with seeds of their own, and count the prompt once', async () => {
    const { mesh, post } = startServer();

    const reply = await post({ ...question, n: 3, seed: 42 });

    expect(mesh.requests.map(({ seed }) => seed).sort()).toEqual([42, 43, 44]);
    const { choices, usage } = reply.json();
    expect(choices.map(({ index, message }: { index: number; message: object }) => ({ index, message }))).toEqual(
      [0, 1, 2].map((index) => ({ index, message: { role: 'assistant', content: 'Hello there', refusal: null } })),
    );
    expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 });
    await post({ ...question, n: 2 });
    expect(mesh.requests.slice(3).map(({ seed }) => seed)).toEqual([undefined, undefined]);
  });

  it('AP25: stream side by side and end together', async () => {
    const { post } = startServer();

    const reply = await post({ ...question, n: 2, stream: true, stream_options: { include_usage: true } });

    const events = eventsOf(reply.body) as { choices: { index: number; delta: { content?: string } }[] }[];
    const texts = events.flatMap(({ choices = [] }) => choices.map(({ index, delta }) => `${index} ${delta.content}`));
    expect(texts.filter((text) => text.endsWith(' Hello') || text.endsWith('there'))).toEqual([
      '0 Hello',
      '1 Hello',
      '0  there',
      '1  there',
    ]);
    expect(events.slice(-2)).toEqual([
      expect.objectContaining({ choices: [], usage: expect.objectContaining({ completion_tokens: 4 }) }),
      '[DONE]',
    ]);
  });

  it.each<[string, ScriptStep[]]>([
    ['before', ['hang']],
    ['after', [{ say: 'One' }, 'hang']],
  ])(
    'AP26: when one of them fails %s the others began, they are cancelled and the error is told',
    async (_when, script) => {
      const { mesh, post } = startServer(script);
      const begun = mesh.asked.then(() => setImmediate());
      failTheSecond(mesh, createScriptedMesh([{ wait: begun }, { fail: MeshError.noPeerWithModel('mesh-tiny') }]));

      const reply = await post({ ...question, n: 2, stream: true });

      expect(reply.statusCode).toBe(503);
      await mesh.cancelled;
    },
  );

  it('AP26: when one of them fails in the middle, the others are cancelled and the stream ends with the error', async () => {
    const { mesh, post } = startServer([{ say: 'One' }, 'hang']);
    const failing = createScriptedMesh([{ say: 'Half' }, { fail: MeshError.peerLost('gone') }]);
    failTheSecond(mesh, failing);

    const reply = await post({ ...question, n: 2, stream: true });

    expect(eventsOf(reply.body).at(-1)).toMatchObject({ error: { code: 'upstream_failed' } });
    await mesh.cancelled;
  });
});

describe('an outside provider', () => {
  it.each<object>([
    { response_format: { type: 'json_object' } },
    { tools },
    { logprobs: true },
    { logit_bias: { 5: 1 } },
    { presence_penalty: 1 },
    { n: 2 },
  ])('AP28: is not asked for what it would not be told of: %j', async (fields) => {
    const { provider, chat } = await startWithProvider();

    const reply = await chat({ ...question, model: MODEL, ...fields });

    expect(provider.requests).toEqual([]);
    expect(reply.headers['x-tabmesh-fallback-status']).toBe('fallback-disabled');
  });
});

interface Chunk {
  readonly choices: readonly [
    {
      readonly delta: {
        readonly content?: string | null;
        readonly tool_calls?: readonly { readonly index: number; readonly function: { readonly arguments: string } }[];
      };
      readonly finish_reason: string | null;
    },
  ];
}

function addedUp(events: readonly unknown[]) {
  let content = '';
  let reason: string | null = null;
  const calls: { function: { arguments: string } }[] = [];
  for (const event of events.slice(0, -1) as Chunk[]) {
    const [{ delta, finish_reason }] = event.choices;
    content += delta.content ?? '';
    reason = finish_reason;
    for (const { index, ...call } of delta.tool_calls ?? []) {
      const known = calls[index];
      if (known === undefined) calls[index] = structuredClone(call);
      else known.function.arguments += call.function.arguments;
    }
  }
  return { content, calls, reason };
}

function failTheSecond(mesh: ScriptedMesh, failing: ScriptedMesh): void {
  const { complete } = mesh;
  let asked = 0;
  mesh.complete = (request, signal) => {
    asked += 1;
    return (asked === 2 ? failing.complete : complete)(request, signal);
  };
}
