/** LangChain's `@langchain/openai`, as its users set it up: through chat completions, and through responses. */
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, type ChatOpenAIFields, OpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { createAgent } from 'langchain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnsweringMesh, BREAK, HANG, startAnsweringMesh } from './answering-mesh.ts';

const key = 'k9x8w7v6u5t4s3r2';
let mesh: AnsweringMesh;
beforeAll(async () => {
  mesh = await startAnsweringMesh({ keys: `alice:${key}` });
});
afterAll(() => mesh?.close());

const settings = (apiKey = key) => ({
  model: mesh.model,
  apiKey,
  maxRetries: 0,
  configuration: { baseURL: mesh.baseURL },
});
const chat = (fields: ChatOpenAIFields = {}) => new ChatOpenAI({ ...settings(), ...fields });

const weather = tool(async ({ city }) => `21 degrees in ${city}`, {
  name: 'weather',
  description: 'Tells the weather of a city.',
  schema: z.object({ city: z.string() }),
});
const Place = z.object({ city: z.string(), degrees: z.number() });

describe.each([
  ['chat completions', false],
  ['responses', true],
])('LangChain through %s', (_name, useResponsesApi) => {
  it('AP91: chats, with usage', async () => {
    const answer = await chat({ useResponsesApi }).invoke('How are you?');
    expect(answer.text).toBe('How are you?');
    expect(answer.id).toMatch(useResponsesApi ? /^(resp|msg)_/ : /^chatcmpl-/);
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 9, output_tokens: 4, total_tokens: 13 });
  });

  it('AP91: streams', async () => {
    const texts: string[] = [];
    for await (const { text } of await chat({ useResponsesApi }).stream('How are you?'))
      if (text !== '') texts.push(text);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.join('')).toBe('How are you?');
  });

  it('AP91: frees the peer when it stops an answer', async () => {
    const abort = new AbortController();
    const stream = await chat({ useResponsesApi }).stream(HANG, { signal: abort.signal });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) {
        text += chunk.text;
        if (text === 'Well') abort.abort();
      }
    })();
    await expect(reading).rejects.toThrow(/abort/i);
    await mesh.untilIdle();
  });

  it('AP91: calls functions and answers with what they gave', async () => {
    const model = chat({ useResponsesApi }).bindTools([weather]);
    const question = new HumanMessage('How warm is it?');
    const called = await model.invoke([question]);
    expect(called.text).toBe('Let me look.');
    expect(called.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Paris' } }]);
    const [call] = called.tool_calls ?? [];
    const result = new ToolMessage({ tool_call_id: call?.id ?? '', content: await weather.invoke({ city: 'Paris' }) });
    expect((await model.invoke([question, called, result])).text).toBe('I hear 21 degrees in Paris.');
  });

  it('AP91: as an agent calls a tool and answers with what it gave, in one piece and streamed', async () => {
    const agent = createAgent({ model: chat({ useResponsesApi }), tools: [weather], systemPrompt: 'Be brief.' });
    const question = { messages: [new HumanMessage('How warm is it?')] };
    const { messages } = await agent.invoke(question);
    expect(messages.map((message) => message.type)).toEqual(['human', 'ai', 'tool', 'ai']);
    expect(messages.at(-1)?.text).toBe('I hear 21 degrees in Paris.');
    let text = '';
    for await (const [chunk, { langgraph_node }] of await agent.stream(question, { streamMode: 'messages' })) {
      if (langgraph_node !== 'tools') text += chunk.text;
    }
    expect(text).toBe('Let me look.I hear 21 degrees in Paris.');
  });

  it('AP91: puts a streamed call together', async () => {
    const stream = await chat({ useResponsesApi }).bindTools([weather]).stream('How warm is it?');
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const [first, ...rest] = chunks;
    const whole = rest.reduce((sum, chunk) => sum?.concat(chunk), first);
    expect(whole?.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Paris' } }]);
  });

  it.each(['jsonSchema', 'functionCalling'] as const)('AP91: gets objects by a schema (%s)', async (method) => {
    const model = chat({ useResponsesApi }).withStructuredOutput(Place, { method });
    expect(await model.invoke('Where?')).toEqual({ city: 'Paris', degrees: 21 });
  });

  it('AP91: raises errors with their status', async () => {
    const stranger = new ChatOpenAI({ ...settings('no-key-of-this-entry'), useResponsesApi });
    await expect(stranger.invoke('Hi')).rejects.toMatchObject({ status: 401 });
    const asks = [
      [{ model: 'nothing-like-it' }, { status: 404, message: expect.stringContaining('GET /v1/models') }],
      [{ model: 'Qwen3-8B' }, { status: 503 }],
      [{ temperature: 3 }, { status: 400 }],
    ] as const;
    for (const [fields, error] of asks) {
      await expect(chat({ ...fields, useResponsesApi }).invoke('Hi')).rejects.toMatchObject(error);
    }
  });
});

describe('LangChain', () => {
  it('AP91: hears of an answer that breaks in the middle', async () => {
    const stream = await chat().stream(BREAK);
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.text;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'upstream_failed' });
    expect(text).toBe('Bre');
  });

  it('AP91: completes a text, a batch of them, and streams one', async () => {
    const completion = new OpenAI(settings());
    expect(await completion.invoke('Once upon')).toBe('Once upon');
    expect(await completion.batch(['One', 'Two'])).toEqual(['One', 'Two']);
    let text = '';
    for await (const part of await completion.stream('Once upon')) text += part;
    expect(text).toBe('Once upon');
  });

  it('AP91: embeds one text and many, cut where it is asked for', async () => {
    const embeddings = new OpenAIEmbeddings(settings());
    const one = await embeddings.embedQuery('a');
    expect(one).toEqual([expect.closeTo(Math.cos(1)), expect.closeTo(Math.sin(1))]);
    expect(await embeddings.embedDocuments(['bcd', 'a'])).toEqual([expect.any(Array), one]);
    expect(await new OpenAIEmbeddings({ ...settings(), dimensions: 1 }).embedQuery('a')).toEqual([1]);
  });
});
