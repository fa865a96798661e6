/** Probabilities, biases, penalties and embeddings of the llama.cpp engine, held to their definitions. */
import { type Engine, type GenerationRequest, MeshError, type TokenLogprob } from '@tabmesh/shared';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, ask, collect, never } from '../../shared/src/testing/engine-subject.ts';
import { loadLlamaEngine } from '../src/llama/load-llama-engine.ts';
import { TINY } from './embedded-models.ts';

const STORY = 'Tell me a story about a fox.';
/** Ids of the embedded model. */
const END_TOKENS = [2, 4];
const BYTE_F0 = 245;
const HELLO = 572;
const VOCABULARY_SIZE = 3072;

const load = (slots: number) => loadLlamaEngine({ file: TINY, slots, threads: 1, gpu: 'off' });

let engine: Engine;
beforeAll(async () => {
  engine = await load(2);
});
afterAll(() => engine.close());

const told = async (sampling: Partial<GenerationRequest>) =>
  answer(engine, ask(STORY, { topLogprobs: 20, maxTokens: 24, ...sampling }));

describe('probabilities', () => {
  it('NP65: are told token by token, with texts that add up to the answer, also where a stop string holds it back', async () => {
    for (const stop of [[], ['upon a time?', 'fox']]) {
      const events = await collect(engine, ask(STORY, { topLogprobs: 0, maxTokens: 24, stop }));
      for (const event of events) {
        if (event.type !== 'tokens') continue;
        expect(event.logprobs).toHaveLength(event.tokenCount);
        if (stop.length === 0) expect(event.logprobs?.map(({ token }) => token).join('')).toBe(event.text);
      }
    }
  });

  it('NP66: are those of the model, whatever the temperature, and repeat with the seed', async () => {
    const greedy = await told({ maxTokens: 1 });
    const first = await told({ temperature: 1.5, seed: 9, maxTokens: 16 });
    const again = await told({ temperature: 1.5, seed: 9, maxTokens: 16 });
    const other = await told({ temperature: 1.5, seed: 10, maxTokens: 16 });
    expect(first.logprobs[0]?.top).toEqual(greedy.logprobs[0]?.top);
    expect(again).toEqual(first);
    expect(other.text).not.toBe(first.text);
  });

  it('NP67: of a token that is part of a character come with its bytes', async () => {
    const { logprobs } = await told({ logitBias: { [BYTE_F0]: 100 }, maxTokens: 3 });
    expect(logprobs.map(({ token, bytes }) => ({ token, bytes }))).toEqual(
      Array.from({ length: 3 }, () => ({ token: 'bytes:\\xf0', bytes: [0xf0] })),
    );
  });
});

describe('biases and penalties', () => {
  it('NP68: a bias adds to the logit of its token, that of the end included', async () => {
    const first = async (sampling: Partial<GenerationRequest>) =>
      (await told({ maxTokens: 1, ...sampling })).logprobs[0];
    const [plain, biased] = [await first({}), await first({ logitBias: { [HELLO]: 3 } })];
    expect(gap(biased, 'Once', 'Hello')).toBeCloseTo(gap(plain, 'Once', 'Hello') - 3, 3);
    const endless = Object.fromEntries(END_TOKENS.map((id) => [id, -100]));
    expect((await answer(engine, ask('Hello', { maxTokens: 120 }))).reason).toBe('stop');
    expect((await answer(engine, ask('Hello', { maxTokens: 120, logitBias: endless }))).reason).toBe('length');
  });

  it('NP69: a bias for a token that the model does not have is an invalid_request', async () => {
    await expect(told({ logitBias: { [VOCABULARY_SIZE]: 1 } })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(`end at ${VOCABULARY_SIZE - 1}`),
    });
    expect((await told({ logitBias: { [VOCABULARY_SIZE - 1]: 1 } })).logprobs.length).toBeGreaterThan(0);
  });

  it('NP70: penalties lower what the answer has said by presence and by count, and nothing else', async () => {
    // The same first tokens as without penalties: they are what the answer goes on behind.
    const begun = await answer(engine, ask(STORY, { maxTokens: 4, topLogprobs: 0 }));
    const twice = { text: `${begun.text}${begun.text}`, tokenCount: 8 };
    const said = begun.logprobs.map(({ token }) => token);
    const next = async (sampling: Partial<GenerationRequest>) =>
      (await told({ continues: twice, maxTokens: 1, ...sampling })).logprobs[0];
    const plain = await next({});
    const penalised = await next({ presencePenalty: 0.5, frequencyPenalty: 0.25 });
    const tops = (plain?.top ?? []).map(({ token }) => token);
    const unsaid = tops.filter((token) => !said.includes(token) && isTold(penalised, token));
    const repeated = tops.find((token) => said.includes(token) && isTold(penalised, token));
    expect(unsaid.length).toBeGreaterThan(2);
    expect(gap(penalised, unsaid[0], unsaid[1])).toBeCloseTo(gap(plain, unsaid[0], unsaid[1]), 3);
    if (repeated === undefined) throw new Error('None of the likeliest tokens was said before.');
    const times = said.filter((token) => token === repeated).length * 2;
    const lower = 0.5 + 0.25 * times;
    expect(gap(penalised, unsaid[0], repeated)).toBeCloseTo(gap(plain, unsaid[0], repeated) + lower, 3);
  });
});

describe('embeddings', () => {
  it('NP71: take a slot while they are made, and free it when they are stopped', async () => {
    const own = await load(1);
    const abort = new AbortController();
    const making = own.embed?.(Array(16).fill(STORY), abort.signal);
    await expect(own.embed?.([STORY], never())).rejects.toMatchObject({ code: 'peer_busy' });
    await expect(answer(own, ask(STORY))).rejects.toMatchObject({ code: 'peer_busy' });
    abort.abort();
    await expect(making).rejects.toMatchObject({ code: 'cancelled' });
    expect((await own.embed?.([STORY], never()))?.vectors).toHaveLength(1);
    await own.close();
  });

  it('NP72: leave the answers beside them as they are', async () => {
    const alone = await answer(engine, ask(STORY, { maxTokens: 40 }));
    const [beside, embeddings] = await Promise.all([
      answer(engine, ask(STORY, { maxTokens: 40 })),
      engine.embed?.([STORY, 'What is a mesh?'], never()),
    ]);
    expect(beside.text).toBe(alone.text);
    expect(embeddings?.vectors).toHaveLength(2);
  });

  it('NP73: end as cancelled when the engine closes, and a closed engine makes none', async () => {
    const own = await load(1);
    const making = own.embed?.(Array(16).fill(STORY), never()).catch((error: unknown) => error);
    await own.close();
    expect(MeshError.is(await making, 'cancelled')).toBe(true);
    await expect(own.embed?.([STORY], never())).rejects.toMatchObject({ code: 'closed' });
  });
});

/** How much likelier one token is than another: what no normalisation changes. */
function gap(told: TokenLogprob | undefined, likelier: string | undefined, other: string | undefined): number {
  const logprob = (token: string | undefined) => told?.top.find((one) => one.token === token)?.logprob ?? Number.NaN;
  return logprob(likelier) - logprob(other);
}

function isTold(told: TokenLogprob | undefined, token: string): boolean {
  return told?.top.some((one) => one.token === token) ?? false;
}
