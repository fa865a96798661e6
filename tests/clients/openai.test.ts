/** OpenAI's own client against an entry, whose peers are a scripted engine and llama.cpp with the embedded model. */
import { join } from 'node:path';
import type { Engine, Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { loadLlamaEngine } from 'tabmesh';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { root } from '../setup/command.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';
import { createTellingEngine, TELLING_MODEL, type TellingEngine } from './telling-engine.ts';

const messages = [{ role: 'user' as const, content: 'How warm is it in Rome?' }];
const ask = { model: TELLING_MODEL, messages };
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'Tells the weather of a city.',
    parameters: { type: 'object', properties: { city: { enum: ['Rome', 'Oslo'] } }, required: ['city'] },
  },
};
const called = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>';

let entry: Entry;
let openai: OpenAI;
let engine: TellingEngine;
let llama: Engine;
let answer: string | undefined = '';
const members: Mesh[] = [];

beforeAll(async () => {
  entry = await startTestEntry();
  engine = createTellingEngine(({ messages }) =>
    messages.at(-1)?.content.includes('<tool_response>') ? `It says: ${messages.at(-1)?.content}` : answer,
  );
  llama = await loadLlamaEngine({ file: join(root, 'shared/models/mesh-tiny.gguf'), slots: 2, threads: 1, gpu: 'off' });
  members.push(startMember(entry.url, engine), startMember(entry.url, llama));
  await untilMesh(entry.mesh, () => entry.mesh.models().length === 2);
  openai = new OpenAI({ baseURL: `${entry.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  for (const member of members) await member.close();
  await llama?.close();
  await entry?.close();
});
beforeEach(() => {
  answer = 'It is warm.';
});

describe("OpenAI's own client", () => {
  it('AP18: chats and streams', async () => {
    const whole = await openai.chat.completions.create(ask);
    const stream = await openai.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collected(stream);

    expect(whole.choices[0]?.message.content).toBe('It is warm.');
    expect(chunks.map(({ choices: [choice] }) => choice?.delta.content ?? '').join('')).toBe('It is warm.');
    expect(chunks.at(-1)?.usage).toEqual(whole.usage);
  });

  it('AP19: frees the slot of the peer when it aborts', async () => {
    answer = undefined;
    const abort = new AbortController();
    const stream = await openai.chat.completions.create({ ...ask, n: 2, stream: true }, { signal: abort.signal });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;

    abort.abort();

    const [telling] = members;
    if (telling !== undefined) await untilMesh(telling, () => telling.serving().activeJobs === 0);
    expect(engine.running()).toBe(0);
  });

  it('AP18: raises its own error classes', async () => {
    const wrong = { name: 'rm -rf', parameters: {} };

    await expect(openai.chat.completions.create({ ...ask, model: 'nothing' })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(
      openai.chat.completions.create({ ...ask, tools: [{ type: 'function', function: wrong }] }),
    ).rejects.toMatchObject({ status: 400, code: 'invalid_request', param: 'tools[0].function.name' });
  });
});

describe("tools with OpenAI's own client", () => {
  it('TL19: a call comes with its arguments, and text beside it', async () => {
    answer = `Let me see.\n${called}\n${called.replace('Rome', 'Oslo')}`;

    const { choices } = await openai.chat.completions.create({ ...ask, tools: [weather] });

    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'Let me see.' } });
    const calls = choices[0]?.message.tool_calls ?? [];
    expect(calls.map((call) => call.type === 'function' && JSON.parse(call.function.arguments))).toEqual([
      { city: 'Rome' },
      { city: 'Oslo' },
    ]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
  });

  it('TL19: its stream helper puts the deltas together', async () => {
    answer = `Let me see.\n${called}`;
    const stream = openai.chat.completions.stream({ ...ask, tools: [weather] });
    const deltas: string[] = [];
    stream.on('tool_calls.function.arguments.delta', (event) => deltas.push(event.arguments_delta));

    const { choices } = await stream.finalChatCompletion();

    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'Let me see.',
        tool_calls: [{ type: 'function', function: { name: 'weather', arguments: '{"city": "Rome"}' } }],
      },
    });
    expect(deltas.join('')).toBe('{"city": "Rome"}');
  });

  it('TL19: its tool runner calls the function and gives back the result', async () => {
    answer = called;
    const runner = openai.chat.completions.runTools({
      ...ask,
      tools: [
        {
          type: 'function',
          function: {
            ...weather.function,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => `20° in ${city}`,
          },
        },
      ],
    });

    expect(await runner.finalContent()).toContain('<tool_response>\n20° in Rome\n</tool_response>');
  });

  it('TL19: a call that must come is enforced', async () => {
    answer = '{"name": "weather", "arguments": {"city": "Oslo"}}';

    const { choices } = await openai.chat.completions.create({ ...ask, tools: [weather], tool_choice: 'required' });

    expect(choices[0]?.message).toMatchObject({ content: null, tool_calls: [{ function: { name: 'weather' } }] });
    expect(engine.requests.at(-1)?.responseFormat?.type).toBe('json_schema');
  });
});

describe("what else OpenAI's own client can ask for", () => {
  const Day = z.object({ degrees: z.number().nullable() });
  const Weather = z.object({ city: z.string(), today: Day, tomorrow: Day });

  it('TL20: values that its schema describes', async () => {
    answer = '{"city": "Rome", "today": {"degrees": 20}, "tomorrow": {"degrees": null}}';

    const { choices } = await openai.chat.completions.parse({
      ...ask,
      response_format: zodResponseFormat(Weather, 'weather'),
    });

    expect(choices[0]?.message.parsed).toEqual(JSON.parse(answer));
    const day = { type: 'object', required: ['degrees'] };
    expect(engine.requests.at(-1)?.responseFormat).toMatchObject({
      schema: { properties: { today: day, tomorrow: day } },
    });
  });

  it('TL20: probabilities, streamed and not', async () => {
    const asked = { ...ask, logprobs: true, top_logprobs: 2 };
    const whole = await openai.chat.completions.create(asked);
    const streamed = await collected(await openai.chat.completions.create({ ...asked, stream: true }));

    const told = whole.choices[0]?.logprobs?.content ?? [];
    expect(told.map(({ token }) => token).join('')).toBe('It is warm.');
    expect(told[0]).toMatchObject({ logprob: -0.5, bytes: [73, 116, 32], top_logprobs: [{}, { token: '?' }] });
    expect(streamed.flatMap(({ choices: [choice] }) => choice?.logprobs?.content ?? [])).toEqual(told);
  });

  it('TL20: several choices, streamed and not', async () => {
    const whole = await openai.chat.completions.create({ ...ask, n: 3, seed: 7 });
    const streamed = await collected(await openai.chat.completions.create({ ...ask, n: 3, stream: true }));

    expect(whole.choices.map(({ index, message }) => [index, message.content])).toEqual(
      [0, 1, 2].map((index) => [index, 'It is warm.']),
    );
    const textOf = (index: number) =>
      streamed
        .flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
        .map(({ delta }) => delta.content);
    expect([0, 1, 2].map((index) => textOf(index).join(''))).toEqual(Array.from({ length: 3 }, () => 'It is warm.'));
  });
});

describe("OpenAI's own client and llama.cpp", () => {
  const tiny = { model: 'mesh-tiny', messages };

  it.each([0, 1])(
    'TL19: gets a call that must come, whatever the model would say (temperature %i)',
    async (temperature) => {
      const stream = openai.chat.completions.stream({
        ...tiny,
        temperature,
        seed: 1,
        tools: [weather],
        tool_choice: 'required',
      });

      const { choices } = await stream.finalChatCompletion();

      expect(choices[0]?.finish_reason).toBe('tool_calls');
      const [call] = choices[0]?.message.tool_calls ?? [];
      expect(call?.type === 'function' && call.function.name).toBe('weather');
      const given = call?.type === 'function' ? JSON.parse(call.function.arguments) : undefined;
      expect(['Rome', 'Oslo']).toContain(given.city);
    },
  );

  it('TL20: gets values, probabilities and choices', async () => {
    const Choice = z.object({ answer: z.enum(['yes', 'no']), sure: z.boolean() });
    const parsed = await openai.chat.completions.parse({
      ...tiny,
      // More than there are slots.
      n: 4,
      response_format: zodResponseFormat(Choice, 'choice'),
    });
    const { choices } = await openai.chat.completions.create({
      ...tiny,
      max_tokens: 4,
      logprobs: true,
      top_logprobs: 3,
      frequency_penalty: 0.5,
      logit_bias: { 5: -100 },
    });

    for (const { message } of parsed.choices) expect(Choice.safeParse(message.parsed).success).toBe(true);
    expect(parsed.choices).toHaveLength(4);
    expect(choices[0]?.logprobs?.content).toHaveLength(4);
    expect(choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(3);
  });
});

async function collected<Chunk>(stream: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
