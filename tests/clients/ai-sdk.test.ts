/** The `ai` SDK through `@ai-sdk/openai-compatible` and `@ai-sdk/openai`, as its users set it up. */
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embed, embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnsweringMesh, BREAK, HANG, startAnsweringMesh } from './answering-mesh.ts';

const key = 'k9x8w7v6u5t4s3r2';
let mesh: AnsweringMesh;
beforeAll(async () => {
  mesh = await startAnsweringMesh({ keys: `alice:${key}` });
});
afterAll(() => mesh?.close());

const provider = (apiKey = key) =>
  createOpenAICompatible({
    name: 'tabmesh',
    baseURL: mesh.baseURL,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const openai = (apiKey = key) => createOpenAI({ baseURL: mesh.baseURL, apiKey });

const weather = tool({
  description: 'Tells the weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});
const Place = z.object({ city: z.string(), degrees: z.number() });

describe.each([
  ['openai-compatible', () => provider()(mesh.model)],
  ['openai', () => openai().chat(mesh.model)],
])('the ai SDK through %s', (_name, model) => {
  it('AP90: chats, with usage', async () => {
    const { text, finishReason, usage } = await generateText({ model: model(), prompt: 'How are you?' });
    expect({ text, finishReason }).toEqual({ text: 'How are you?', finishReason: 'stop' });
    expect(usage).toMatchObject({ inputTokens: 9, outputTokens: 4 });
  });

  it('AP90: streams, with usage', async () => {
    const { textStream, usage } = streamText({ model: model(), prompt: 'How are you?' });
    const texts: string[] = [];
    for await (const text of textStream) texts.push(text);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.join('')).toBe('How are you?');
    expect(await usage).toMatchObject({ inputTokens: 9, outputTokens: 4 });
  });

  it('AP90: frees the peer when it stops an answer', async () => {
    const abort = new AbortController();
    const { textStream } = streamText({ model: model(), prompt: HANG, abortSignal: abort.signal });
    let text = '';
    for await (const part of textStream) {
      text += part;
      if (text === 'Well') abort.abort();
    }
    await mesh.untilIdle();
  });

  it.each(['generateText', 'streamText'])('AP90: calls functions and answers with what they gave (%s)', async (way) => {
    const ask = { model: model(), prompt: 'How warm is it?', tools: { weather }, stopWhen: stepCountIs(2) };
    const { text, steps } = way === 'generateText' ? await generateText(ask) : streamText(ask);
    const [first] = await steps;
    expect(first?.finishReason).toBe('tool-calls');
    expect(first?.text).toBe('Let me look.');
    expect(first?.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Paris' } }]);
    expect(await text).toBe('I hear 21 degrees in Paris.');
  });

  it('AP90: has a function called that it requires', async () => {
    const ask = { model: model(), prompt: 'How warm is it?', tools: { weather }, toolChoice: 'required' as const };
    const { toolCalls, text } = await generateText(ask);
    expect(toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Paris' } }]);
    expect(text).toBe('');
  });

  it('AP90: gets objects by a schema, whole and growing', async () => {
    const ask = { model: model(), prompt: 'Where?', output: Output.object({ schema: Place }) };
    expect((await generateText(ask)).output).toEqual({ city: 'Paris', degrees: 21 });
    const partial: unknown[] = [];
    for await (const part of streamText(ask).partialOutputStream) partial.push(part);
    expect(partial.length).toBeGreaterThan(1);
    expect(partial.at(-1)).toEqual({ city: 'Paris', degrees: 21 });
  });

  it('AP90: hears of an answer that breaks in the middle', async () => {
    const errors: unknown[] = [];
    const onError = ({ error }: { readonly error: unknown }) => void errors.push(error);
    const { textStream } = streamText({ model: model(), prompt: BREAK, maxRetries: 0, onError });
    let text = '';
    for await (const part of textStream) text += part;
    expect(text).toBe('Bre');
    expect(JSON.stringify(errors)).toContain('upstream_failed');
  });
});

describe('the ai SDK', () => {
  it('AP90: completes a text and streams one', async () => {
    const prompt = 'Once upon a time';
    const completion = provider().completionModel(mesh.model);
    expect((await generateText({ model: completion, prompt })).text).toContain('time');
    let text = '';
    for await (const part of streamText({ model: completion, prompt }).textStream) text += part;
    expect(text).toContain('time');
  });

  it('AP90: embeds one text and many', async () => {
    const embedder = provider().embeddingModel(mesh.model);
    const one = await embed({ model: embedder, value: 'a' });
    const many = await embedMany({ model: embedder, values: ['a', 'bcd'] });
    expect(one.embedding).toEqual([expect.closeTo(Math.cos(1)), expect.closeTo(Math.sin(1))]);
    expect(many.embeddings[0]).toEqual(one.embedding);
    expect(many.usage.tokens).toBe(2);
  });

  it('AP90: raises errors with their status, and knows which may be tried again', async () => {
    const failure = async (asking: PromiseLike<unknown>) => {
      const error = await Promise.resolve(asking).catch((thrown: unknown) => thrown);
      expect(APICallError.isInstance(error)).toBe(true);
      const { statusCode, isRetryable, message } = error as APICallError;
      return { statusCode, isRetryable, message };
    };
    const ask = { prompt: 'Hi', maxRetries: 0 };
    expect(await failure(generateText({ ...ask, model: provider()('nothing-like-it') }))).toMatchObject({
      statusCode: 404,
      message: expect.stringContaining('GET /v1/models'),
    });
    expect(await failure(generateText({ ...ask, model: provider()('Qwen3-8B') }))).toMatchObject({
      statusCode: 503,
      isRetryable: true,
    });
    expect(await failure(generateText({ ...ask, model: provider()(mesh.model), temperature: 3 }))).toMatchObject({
      statusCode: 400,
      isRetryable: false,
    });
    const stranger = provider('no-key-of-this-entry');
    expect(await failure(generateText({ ...ask, model: stranger(mesh.model) }))).toMatchObject({ statusCode: 401 });
  });
});
