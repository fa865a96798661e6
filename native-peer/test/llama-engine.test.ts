/** The engine on the embedded models, one thread: the engine contract, and what only llama.cpp can get wrong. */
import { readFileSync } from 'node:fs';
import { type ChatMessage, type Engine, type EngineEvent, type GenerationRequest, MeshError } from '@tabmesh/shared';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeEngineContract } from '../../shared/src/testing/describe-engine-contract.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { MINI, REFERENCE, TINY } from './embedded-models.ts';

const load = (file: string, slots: number) => loadLlamaEngine({ file, slots, threads: 1, gpu: 'off' });

describeEngineContract('llama.cpp', async () => ({
  engine: await load(TINY, 3),
  longPrompt: 'Tell me a story about a fox.',
  prompts: ['What is a mesh?', 'Count to five.', 'What is the capital of France?'],
  // 'Once'.
  firstTokenId: 537,
}));

describe('llama.cpp engine', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await load(TINY, 2);
  });
  afterAll(() => engine.close());

  it('NP1: says what it is: name, class, backend, context, slots and size of the file', async () => {
    expect(engine.model).toMatchObject({
      id: 'mesh-tiny',
      family: 'llama.cpp',
      contextTokens: 1024,
      slots: 2,
      sizeBytes: readFileSync(TINY).length,
      features: ['seed', 'continue', 'json', 'logprobs', 'logit-bias', 'penalties', 'embeddings'],
    });
    expect(engine.model.backend).toMatch(/^llama\.cpp · CPU/);
    const mini = await load(MINI, 1);
    expect(mini.model.classId).not.toBe(engine.model.classId);
    await mini.close();
  });

  it('NP2: every reference conversation becomes the same number of tokens and the same greedy answer', async () => {
    const { cases }: Reference = JSON.parse(readFileSync(REFERENCE, 'utf8'));
    expect(cases.length).toBeGreaterThan(40);
    for (const { history, prompt_ids: promptIds, text } of cases) {
      const messages = history.flatMap(([user, assistant]): ChatMessage[] => [
        { role: 'user', content: user },
        ...(assistant === null ? [] : [{ role: 'assistant' as const, content: assistant }]),
      ]);
      const answered = await answer(engine, messages, { maxTokens: 120 });
      expect(answered.text).toBe(text);
      expect(answered.usage.promptTokens).toBe(promptIds.length);
    }
  });

  it('NP3: the next turn of a conversation evaluates only what is new', async () => {
    const own = await load(MINI, 2);
    const first = await answer(own, [user('Tell me a story about a fox.')]);
    const others = await answer(own, [user('What is a mesh?')]);
    const second = await answer(own, [
      user('Tell me a story about a fox.'),
      { role: 'assistant', content: first.text },
      user('Thank you.'),
    ]);
    const known = first.usage.promptTokens + first.usage.completionTokens - 1;
    expect(first.usage.cachedTokens).toBe(0);
    expect(others.usage.cachedTokens).toBe(0);
    expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(known);
    expect(second.usage.cachedTokens).toBeLessThan(second.usage.promptTokens);
    await own.close();
  });

  it('NP4: an answer that a stop string ends has none of it, and counts every token that was made', async () => {
    const stopped = await answer(engine, [user('Count to ten.')], { stop: ['5, 6'] });
    expect(stopped.text).toBe('1, 2, 3, 4, ');
    expect(stopped.reason).toBe('stop');
    expect(stopped.counted).toBe(stopped.usage.completionTokens);
  });

  it('NP5: the answer that fills the context ends with length, no token too many', async () => {
    const promptTokens = async (words: number) => {
      const refusal = await answer(engine, [user('fox '.repeat(words))]).catch((error: unknown) => error);
      if (!MeshError.is(refusal, 'context_length_exceeded')) throw refusal;
      return Number(refusal.details.promptTokens);
    };
    const perWord = ((await promptTokens(4000)) - (await promptTokens(2000))) / 2000;
    const words = Math.floor((1020 - (await promptTokens(2000))) / perWord) + 2000;
    const full = await answer(engine, [user('fox '.repeat(words))], { maxTokens: 10_000 });
    expect(full.reason).toBe('length');
    expect(full.usage.promptTokens + full.usage.completionTokens).toBe(1024);
    expect((await answer(engine, [user('Count to five.')])).text).toContain('1, 2, 3');
  });

  it('NP6: one answer more than there are slots is refused as peer_busy and harms none', async () => {
    const running = [engine, engine].map((one) =>
      one.generate(ask([user('Tell me a story.')]), never())[Symbol.asyncIterator](),
    );
    for (const iterator of running) await iterator.next();
    await expect(answer(engine, [user('Hello')])).rejects.toMatchObject({ code: 'peer_busy', retryable: true });
    for (const iterator of running) expect((await iterator.next()).done).toBe(false);
    for (const iterator of running) await iterator.return?.();
  });

  it('NP7: a stop during a long prompt is heard at once, and the sequence answers the next prompt rightly', async () => {
    const own = await load(TINY, 1);
    const expected = await answer(own, [user('Count to five.')]);
    const abort = new AbortController();
    const long = own.generate(ask([user('a story about a fox '.repeat(150))]), abort.signal)[Symbol.asyncIterator]();
    const first = long.next();
    setImmediate(() => abort.abort());
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    expect((await answer(own, [user('Count to five.')])).text).toBe(expected.text);
    await own.close();
  });

  it('NP78: a request that is stopped while it waits for the last batch of a stopped one takes no sequence', async () => {
    const own = await load(TINY, 1);
    const stops = [new AbortController(), new AbortController()];
    const [long, waiting] = stops.map(({ signal }) =>
      own.generate(ask([user('a story about a fox '.repeat(150))]), signal)[Symbol.asyncIterator](),
    );
    const first = long?.next();
    setImmediate(() => stops[0]?.abort());
    await expect(first).rejects.toMatchObject({ code: 'cancelled' });
    const second = waiting?.next();
    setImmediate(() => stops[1]?.abort());
    await expect(second).rejects.toMatchObject({ code: 'cancelled' });
    expect((await answer(own, [user('Count to five.')])).text).toContain('1, 2, 3');
    await own.close();
  });

  it('NP8: without a seed every answer is drawn anew, and any whole number is a seed', async () => {
    const story = (seed?: number) => answer(engine, [user('Tell me a story.')], { temperature: 1.2, seed });
    const drawn = new Set<string>();
    for (let round = 0; round < 4; round += 1) drawn.add((await story()).text);
    expect(drawn.size).toBeGreaterThan(1);
    for (const seed of [-1, 0xffff_ffff, 2 ** 40]) expect((await story(seed)).text).toBe((await story(seed)).text);
  });
});

interface Reference {
  readonly cases: readonly {
    readonly history: readonly (readonly [string, string | null])[];
    readonly prompt_ids: readonly number[];
    readonly text: string;
  }[];
}

function user(content: string): ChatMessage {
  return { role: 'user', content };
}

function never(): AbortSignal {
  return new AbortController().signal;
}

function ask(messages: readonly ChatMessage[], sampling: Partial<GenerationRequest> = {}): GenerationRequest {
  return { messages, maxTokens: 64, temperature: 0, topP: 1, stop: [], ...sampling };
}

async function answer(engine: Engine, messages: readonly ChatMessage[], sampling: Partial<GenerationRequest> = {}) {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(ask(messages, sampling), never())) events.push(event);
  const end = events.at(-1);
  if (end?.type !== 'end') throw new Error('The answer has no end.');
  let text = '';
  let counted = 0;
  for (const event of events) {
    if (event.type !== 'tokens') continue;
    text += event.text;
    counted += event.tokenCount;
  }
  return { text, counted, reason: end.reason, usage: end.usage };
}
