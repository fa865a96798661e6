/** Anthropic's own client, as its users set it up for a server of their own. */
import Anthropic, { APIError, AuthenticationError, BadRequestError, NotFoundError } from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnsweringMesh, BREAK, HANG, startAnsweringMesh } from './answering-mesh.ts';

const key = 'k9x8w7v6u5t4s3r2';
let mesh: AnsweringMesh;
let client: Anthropic;
beforeAll(async () => {
  mesh = await startAnsweringMesh({ keys: `alice:${key}` });
  client = clientWith(key);
});
afterAll(() => mesh?.close());

function clientWith(apiKey: string): Anthropic {
  return new Anthropic({ baseURL: mesh.baseURL.replace(/\/v1$/, ''), apiKey, maxRetries: 0 });
}

const asking = (content: string) => ({
  model: mesh.model,
  max_tokens: 256,
  messages: [{ role: 'user' as const, content }],
});
const ask = <Fields extends object>(content: string, fields?: Fields) => ({
  ...asking(content),
  ...(fields ?? ({} as Fields)),
});
const weather = {
  name: 'weather',
  description: 'Tells the weather of a city.',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
};

describe("Anthropic's client", () => {
  it('AM14: chats, with usage and the id of the request', async () => {
    const message = await client.messages.create(ask('How are you?'));
    expect(message).toMatchObject({
      content: [{ type: 'text', text: 'How are you?' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 9, output_tokens: 4 },
    });
    expect(message._request_id).toBeTruthy();
  });

  it('AM14: streams by its helper, which puts the message together', async () => {
    const stream = client.messages.stream(ask('How are you?', { system: 'Be brief.' }));
    const texts: string[] = [];
    stream.on('text', (text) => texts.push(text));
    const message = await stream.finalMessage();
    // What an answer brings in one go is one text; that it streams at all shows where one hangs.
    expect(texts.join('')).toBe('How are you?');
    expect(message).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 9, output_tokens: 4 } });
    expect(stream.request_id).toBeTruthy();
  });

  it('AM14: streams raw events', async () => {
    const types: string[] = [];
    for await (const { type } of await client.messages.create(ask('Hi', { stream: true as const }))) types.push(type);
    expect(types[0]).toBe('message_start');
    expect(types.at(-1)).toBe('message_stop');
  });

  it.each(['create', 'stream'] as const)('AM14: calls a tool and answers with what it gave (%s)', async (way) => {
    const turn = async (fields: object) => {
      const body = ask('How warm is it?', { tools: [weather], ...fields });
      return way === 'create' ? client.messages.create(body) : client.messages.stream(body).finalMessage();
    };
    const called = await turn({});
    expect(called.stop_reason).toBe('tool_use');
    const [said, call] = called.content;
    expect(said).toMatchObject({ type: 'text', text: 'Let me look.' });
    if (call?.type !== 'tool_use') throw new Error('There is no call.');
    expect(call).toMatchObject({ name: 'weather', input: { city: 'Paris' } });
    const result = { type: 'tool_result', tool_use_id: call.id, content: [{ type: 'text', text: '21 degrees' }] };
    const messages = [
      { role: 'user', content: 'How warm is it?' },
      { role: 'assistant', content: called.content },
      { role: 'user', content: [result] },
    ];
    const answer = await turn({ messages });
    expect(answer.content).toMatchObject([{ type: 'text', text: 'I hear 21 degrees.' }]);
  });

  it('AM14: runs its own tools by its runner', async () => {
    const tool = betaZodTool({
      name: 'weather',
      description: 'Tells the weather of a city.',
      inputSchema: z.object({ city: z.string() }),
      run: ({ city }) => `21 degrees in ${city}`,
    });
    const answer = await client.beta.messages.toolRunner(ask('How warm is it?', { tools: [tool] }));
    expect(answer.content).toMatchObject([{ type: 'text', text: 'I hear 21 degrees in Paris.' }]);
  });

  it('AM14: has a tool called that it requires', async () => {
    const { content } = await client.messages.create(
      ask('Hi', { tools: [weather], tool_choice: { type: 'tool' as const, name: 'weather' } }),
    );
    expect(content).toMatchObject([{ type: 'tool_use', name: 'weather', input: { city: 'Paris' } }]);
  });

  it('AM14: counts tokens', async () => {
    const { max_tokens: _none, ...counted } = ask('How are you?', { tools: [weather] });
    expect((await client.messages.countTokens(counted)).input_tokens).toBe(9);
  });

  it('AM14: frees the peer when it stops an answer', async () => {
    const stream = client.messages.stream(ask(HANG));
    stream.on('text', () => stream.abort());
    await expect(stream.finalMessage()).rejects.toThrow();
    await mesh.untilIdle();
  });

  it('AM14: raises its own error classes', async () => {
    const failure = (asking: Promise<unknown>) => asking.catch((error: unknown) => error);
    const wrong = await failure(client.messages.create(ask('Hi', { stop_sequences: [''] })));
    expect(wrong).toBeInstanceOf(BadRequestError);
    expect(wrong).toMatchObject({
      type: 'invalid_request_error',
      message: expect.stringContaining('stop_sequences[0]'),
    });
    expect(await failure(client.messages.create(ask('Hi', { model: 'nothing-like-it' })))).toBeInstanceOf(
      NotFoundError,
    );
    expect(await failure(clientWith('no-key-of-this-entry').messages.create(ask('Hi')))).toBeInstanceOf(
      AuthenticationError,
    );
    const gone = await failure(client.messages.create(ask('Hi', { model: 'Qwen3-8B' })));
    expect(gone).toBeInstanceOf(APIError);
    expect(gone).toMatchObject({ status: 503, type: 'overloaded_error' });
  });

  it('AM14: hears of an answer that breaks in the middle', async () => {
    const stream = client.messages.stream(ask(BREAK));
    let text = '';
    stream.on('text', (part) => {
      text += part;
    });
    await expect(stream.finalMessage()).rejects.toThrow(/asked to break/);
    expect(text).toBe('Bre');
  });
});
