/** What real clients ask of `/v1/responses` beyond one answer: OpenAI's own, and the `ai` SDK's provider for OpenAI. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, type ModelMessage, stepCountIs, streamText, tool } from 'ai';
import OpenAI, { NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnsweringMesh, HANG, startAnsweringMesh } from './answering-mesh.ts';

const keys = { alice: 'alice-k9x8w7v6u5t4s3r2', bob: 'bob-k9x8w7v6u5t4s3r2' };

let mesh: AnsweringMesh;
beforeAll(async () => {
  const pairs = Object.entries(keys).map((pair) => pair.join(':'));
  mesh = await startAnsweringMesh({ keys: pairs.join(','), limit: '10000' });
});
afterAll(() => mesh?.close());

const clientOf = (name: keyof typeof keys = 'alice') =>
  new OpenAI({ baseURL: mesh.baseURL, apiKey: keys[name], maxRetries: 0 });

/** Asks again at once until it is so. */
async function until(openai: OpenAI, id: string, status: string) {
  for (let tries = 0; tries < 500; tries += 1) {
    const response = await openai.responses.retrieve(id);
    if (response.status === status) return response;
  }
  throw new Error(`It never was ${status}.`);
}

describe("OpenAI's own client", () => {
  it('AP89: goes on behind a response, reads it again, lists what led to it and deletes it', async () => {
    const { responses } = clientOf();
    const first = await responses.create({ model: mesh.model, input: 'How are you?' });
    const second = await responses.create({
      model: mesh.model,
      input: [
        { type: 'item_reference', id: first.output[0]?.id ?? '' },
        { role: 'user', content: 'And now?' },
      ],
      previous_response_id: first.id,
    });
    expect(second.output_text).toBe('And now?');
    expect(await responses.retrieve(second.id)).toMatchObject({ id: second.id, output: second.output });
    const items: unknown[] = [];
    for await (const item of responses.inputItems.list(second.id, { order: 'asc', limit: 2 })) items.push(item);
    expect(items).toMatchObject([
      { role: 'user', content: [{ text: 'How are you?' }] },
      { role: 'assistant', id: first.output[0]?.id },
      { role: 'assistant', id: first.output[0]?.id },
      { role: 'user', content: [{ text: 'And now?' }] },
    ]);
    await responses.delete(second.id);
    await expect(responses.retrieve(second.id)).rejects.toThrow(NotFoundError);
    await expect(clientOf('bob').responses.retrieve(first.id)).rejects.toMatchObject({
      status: 404,
      code: 'response_not_found',
      requestID: expect.stringMatching(/^req_/),
    });
  });

  it('AP89: counts what it would send', async () => {
    const counted = await clientOf().responses.inputTokens.count({ model: mesh.model, input: 'How are you?' });
    expect(counted).toEqual({ object: 'response.input_tokens', input_tokens: 9 });
  });

  it('AP89: asks in the background, polls, and cancels what hangs', async () => {
    const openai = clientOf();
    const queued = await openai.responses.create({ model: mesh.model, input: 'How are you?', background: true });
    expect(queued.status).toBe('queued');
    expect((await until(openai, queued.id, 'completed')).output_text).toBe('How are you?');

    const hanging = await openai.responses.create({ model: mesh.model, input: HANG, background: true });
    await until(openai, hanging.id, 'in_progress');
    expect((await openai.responses.cancel(hanging.id)).status).toBe('cancelled');
    await mesh.untilIdle();
  });

  it('AP89: streams from the background, and goes on where it left', async () => {
    const openai = clientOf();
    const ask = { model: mesh.model, input: 'How are you?', background: true, stream: true } as const;
    let id = '';
    let seen = -1;
    let text = '';
    for await (const event of await openai.responses.create(ask)) {
      seen = event.sequence_number;
      if (event.type === 'response.created') id = event.response.id;
      if (event.type !== 'response.output_text.delta') continue;
      text += event.delta;
      break;
    }
    const stream = await openai.responses.retrieve(id, { stream: true, starting_after: seen });
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(text).toBe('How are you?');
    expect(types.at(-1)).toBe('response.completed');
  });

  it('AP89: has tools called that take a text, and answers with what they gave', async () => {
    const { responses } = clientOf();
    const tools = [{ type: 'custom' as const, name: 'apply_patch', description: 'Patches.' }];
    const called = await responses.stream({ model: mesh.model, input: 'Patch!', tools }).finalResponse();
    const call = called.output.find((item) => item.type === 'custom_tool_call');
    expect(call).toMatchObject({ name: 'apply_patch', input: 'Paris' });
    const told = await responses.create({
      model: mesh.model,
      previous_response_id: called.id,
      input: [{ type: 'custom_tool_call_output', call_id: call?.call_id ?? '', output: 'Patched' }],
      tools,
    });
    expect(told.output_text).toBe('I hear Patched.');
  });
});

describe("the ai SDK's provider for OpenAI", () => {
  const model = () => createOpenAI({ baseURL: mesh.baseURL, apiKey: keys.alice })(mesh.model);
  const weather = tool({
    description: 'Tells the weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `21 degrees in ${city}`,
  });

  it.each(['generateText', 'streamText'])(
    'AP150: calls a function, answers with what it gave, and goes on in a second turn (%s)',
    async (way) => {
      const messages: ModelMessage[] = [{ role: 'user', content: 'How warm is it?' }];
      const ask = () => ({ model: model(), messages, tools: { weather }, stopWhen: stepCountIs(2), maxRetries: 0 });
      const first = way === 'generateText' ? await generateText(ask()) : streamText(ask());
      expect(await first.text).toBe('I hear 21 degrees in Paris.');
      const [step] = await first.steps;
      expect(step?.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: 'Paris' } }]);
      expect(await first.finishReason).toBe('stop');
      messages.push(...(await first.response).messages, { role: 'user', content: 'And now?' });

      const second = way === 'generateText' ? await generateText(ask()) : streamText(ask());

      expect(await second.text).toBe('I hear 21 degrees in Paris.');
      expect((await second.steps)[0]?.warnings ?? []).toEqual([]);
    },
  );

  it('AP150: goes on behind a response that it names', async () => {
    const first = await generateText({ model: model(), prompt: 'How are you?', maxRetries: 0 });
    const previousResponseId = String(first.providerMetadata?.openai?.responseId);
    const second = await generateText({
      model: model(),
      prompt: 'And now?',
      maxRetries: 0,
      providerOptions: { openai: { previousResponseId } },
    });
    expect(second.text).toBe('And now?');
    const items = await clientOf().responses.inputItems.list(String(second.providerMetadata?.openai?.responseId));
    expect(items.data).toHaveLength(3);
  });
});
