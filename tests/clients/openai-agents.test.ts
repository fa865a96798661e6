/** OpenAI's Agents SDK, as its users set it up for a server of their own: through chat completions, and through responses. */
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnsweringMesh, startAnsweringMesh } from './answering-mesh.ts';

const key = 'k9x8w7v6u5t4s3r2';
let mesh: AnsweringMesh;
beforeAll(async () => {
  setTracingDisabled(true);
  mesh = await startAnsweringMesh({ keys: `alice:${key}` });
});
afterAll(() => mesh?.close());

const weather = tool({
  name: 'weather',
  description: 'Tells the weather of a city.',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});

describe.each([
  ['chat completions', OpenAIChatCompletionsModel],
  ['responses', OpenAIResponsesModel],
])('an agent through %s', (_name, Model) => {
  const agent = (fields: object = {}) => {
    const model = new Model(new OpenAI({ baseURL: mesh.baseURL, apiKey: key, maxRetries: 0 }), mesh.model);
    return new Agent({ name: 'Guide', instructions: 'Be brief.', model, ...fields });
  };

  it('AP96: answers, with usage', async () => {
    const result = await run(agent(), 'How are you?');
    expect(result.finalOutput).toBe('How are you?');
    expect(result.state.usage).toMatchObject({ inputTokens: 9, outputTokens: 4 });
  });

  it('AP96: calls a tool and answers with what it gave', async () => {
    const result = await run(agent({ tools: [weather] }), 'How warm is it?');
    expect(result.finalOutput).toBe('I hear 21 degrees in Paris.');
  });

  it('AP96: does so streamed', async () => {
    const stream = await run(agent({ tools: [weather] }), 'How warm is it?', { stream: true });
    let text = '';
    for await (const part of stream.toTextStream()) text += part;
    await stream.completed;
    expect(text).toContain('I hear 21 degrees in Paris.');
    expect(stream.finalOutput).toBe('I hear 21 degrees in Paris.');
  });

  it('AP96: gives an object of the type that it has', async () => {
    const outputType = z.object({ city: z.string(), degrees: z.number() });
    const result = await run(agent({ outputType }), 'Where?');
    expect(result.finalOutput).toEqual({ city: 'Paris', degrees: 21 });
  });

  it('AP96: hands over to another agent', async () => {
    const other = agent({ name: 'Weather', handoffDescription: 'Knows the weather.' });
    const result = await run(agent({ handoffs: [other] }), 'How warm is it?');
    expect(result.lastAgent?.name).toBe('Weather');
  });
});
