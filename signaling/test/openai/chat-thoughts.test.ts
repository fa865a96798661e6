/** Thoughts in chat completions: beside the content, never in it. */
import { describe, expect, it } from 'vitest';
import { createScriptedMesh, type ScriptStep } from '../setup/scripted-mesh.ts';
import { eventsOf, question, startServer } from '../setup/start-server.ts';

const logprob = (token: string) => ({ token, logprob: -1, top: [] });
const script: readonly ScriptStep[] = [
  { think: 'Hm', written: '<think>\nHm', logprobs: [logprob('Hm')] },
  { think: ', two.', logprobs: [logprob(', two.')] },
  { say: 'Two', logprobs: [logprob('Two')] },
  { say: '!', logprobs: [logprob('!')] },
];
const tools = [
  { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: {} } } } },
];
const call = '<tool_call>{"name": "weather", "arguments": {}}</tool_call>';

interface Chunk {
  readonly choices: readonly { readonly delta: Record<string, unknown>; readonly logprobs: object | null }[];
  readonly usage?: { readonly completion_tokens_details: object } | null;
}
const chunksOf = (body: string) => eventsOf(body).slice(0, -1) as Chunk[];

describe('thoughts in a chat completion', () => {
  it('TH13: stand beside the content, with the number of their tokens', async () => {
    const { post } = startServer(script);

    const { choices, usage } = (await post({ ...question, logprobs: true })).json();

    expect(choices[0].message).toEqual({
      role: 'assistant',
      content: 'Two!',
      refusal: null,
      reasoning_content: 'Hm, two.',
    });
    expect(choices[0].logprobs.content.map(({ token }: { token: string }) => token)).toEqual(['Two', '!']);
    expect(usage).toMatchObject({ completion_tokens: 4, completion_tokens_details: { reasoning_tokens: 2 } });
  });

  it('TH13: are no field of an answer that has none', async () => {
    const { post } = startServer([{ say: 'Two' }]);
    expect((await post(question)).json().choices[0].message).not.toHaveProperty('reasoning_content');
  });

  it('TH14: are streamed as they come, each in a delta of its own', async () => {
    const { post } = startServer(script);

    const reply = await post({ ...question, logprobs: true, stream: true, stream_options: { include_usage: true } });

    const chunks = chunksOf(reply.body);
    expect(chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))).toEqual([
      { role: 'assistant', content: '', refusal: null },
      { reasoning_content: 'Hm' },
      { reasoning_content: ', two.' },
      { content: 'Two' },
      { content: '!' },
      {},
    ]);
    expect(chunks.map(({ choices }) => choices[0]?.logprobs ?? null).filter((told) => told !== null)).toHaveLength(2);
    expect(chunks.at(-1)?.usage).toMatchObject({ completion_tokens_details: { reasoning_tokens: 2 } });
  });

  it('TH15: hold no calls, whatever they say', async () => {
    const { mesh, post } = startServer([{ think: `Maybe ${call} or not.` }, { say: 'No call is needed.' }]);
    const reply = (await post({ ...question, tools })).json().choices[0];
    expect(reply.message).toEqual({
      role: 'assistant',
      content: 'No call is needed.',
      refusal: null,
      reasoning_content: `Maybe ${call} or not.`,
    });
    expect(reply.finish_reason).toBe('stop');

    mesh.script = [{ think: `Maybe ${call.slice(0, 20)}` }, { say: call }];
    const called = chunksOf((await post({ ...question, tools, stream: true })).body).map(
      ({ choices }) => choices[0]?.delta,
    );
    expect(called.filter((delta) => delta?.reasoning_content !== undefined)).toEqual([
      { reasoning_content: `Maybe ${call.slice(0, 20)}` },
    ]);
    expect(called.filter((delta) => delta?.tool_calls !== undefined)).toHaveLength(2);
  });

  it.each([
    [{}, undefined],
    [{ reasoning_effort: 'none' }, false],
    [{ reasoning_effort: 'minimal' }, false],
    [{ reasoning_effort: 'low' }, true],
    [{ reasoning_effort: 'high' }, true],
    [{ reasoning_effort: null, chat_template_kwargs: null }, undefined],
    [{ chat_template_kwargs: { enable_thinking: false } }, false],
    [{ chat_template_kwargs: {} }, undefined],
    [{ chat_template_kwargs: { enable_thinking: true }, reasoning_effort: 'none' }, true],
  ])('TH16: are asked for or not by %j', async (fields, thinking) => {
    const { mesh, post } = startServer();
    expect((await post({ ...question, ...fields })).statusCode).toBe(200);
    expect(mesh.requests[0]?.thinking).toBe(thinking);
  });

  it.each([
    [{ reasoning_effort: 'enormous' }, 'reasoning_effort'],
    [{ chat_template_kwargs: { enable_thinking: 'yes' } }, 'chat_template_kwargs.enable_thinking'],
    [{ chat_template_kwargs: { tool_style: 'x' } }, 'chat_template_kwargs'],
  ])('TH16: are refused by name in another form: %j', async (fields, param) => {
    const { post } = startServer();
    const reply = await post({ ...question, ...fields });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error.param).toBe(param);
  });

  it('TH17: of earlier answers are taken and dropped', async () => {
    const { mesh, post } = startServer();
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello.', reasoning_content: 'Be polite.', reasoning: 'Be polite.' },
      { role: 'user', content: 'Bye' },
    ];
    expect((await post({ ...question, messages })).statusCode).toBe(200);
    expect(mesh.requests[0]?.messages[1]).toEqual({ role: 'assistant', content: 'Hello.' });
  });

  it('TH18: are in a text completion where the model wrote them', async () => {
    const { app } = startServer(createScriptedMesh([...script.slice(0, 2), { say: '.' }]).script);
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/completions',
      payload: { model: 'mesh-tiny', prompt: 'x' },
    });
    expect(reply.json().choices[0].text).toBe('<think>\nHm, two..');
  });
});
