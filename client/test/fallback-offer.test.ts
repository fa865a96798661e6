import { evaluateSla, ModelId, type SlaFigures } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { fallbackOffer, readProvider } from '../src/fallback/fallback-offer.ts';

const daily = ModelId.parse('Qwen3-8B');
const provider = { host: 'api.example.com', models: ['Qwen3-8B', 'mesh-tiny', 'Qwen3-32B'] };
const measured = (ttftMs: number, tokensPerSecond: number): SlaFigures => ({ ttftMs, tokensPerSecond, sampleCount: 3 });
const slow = measured(9_000, 1);

function offered(
  candidates: readonly (SlaFigures | null)[],
  model = daily,
  behind: typeof provider | undefined = provider,
) {
  return fallbackOffer(model, evaluateSla(model, candidates), behind);
}

describe('the offer to be answered outside the mesh', () => {
  it('OP1: is made when no peer is fast enough and the entry has a provider for the model', () => {
    expect(offered([slow, slow])?.host).toBe('api.example.com');
    expect(offered([])?.host).toBe('api.example.com');
    expect(offered([null])?.host).toBe('api.example.com');
  });

  it('OP1: is not made while one peer is fast enough', () => {
    expect(offered([slow, measured(400, 30)])).toBeUndefined();
  });

  it('OP1: is not made without a provider, or for a model that it does not answer for', () => {
    expect(fallbackOffer(daily, evaluateSla(daily, [slow]), undefined)).toBeUndefined();
    expect(offered([slow], ModelId.parse('Llama-3.2-3B'))).toBeUndefined();
  });

  it('OP1: is not made for an experimental model that a peer serves', () => {
    expect(offered([slow], ModelId.parse('mesh-tiny'))).toBeUndefined();
  });

  it.each([
    ['nobody serves it', [], 'No peer serves Qwen3-8B now'],
    ['nobody measured it', [null], 'Nobody knows yet how fast Qwen3-8B is here'],
    ['the first token is late', [measured(9_000, 30)], 'No peer is fast enough for Qwen3-8B now'],
    ['the rate is low', [measured(400, 1)], 'No peer is fast enough for Qwen3-8B now'],
    ['both', [slow], 'No peer is fast enough for Qwen3-8B now'],
  ])('OP2: when %s the sentence says why, who would answer, and what it would see', (_when, candidates, why) => {
    expect(offered(candidates)?.sentence).toBe(
      `${why}: api.example.com, an outside provider, would answer and see this conversation.`,
    );
  });
});

describe("the entry's word on its provider", () => {
  it('OP1: is read from its status', () => {
    const status = { fallback: { enabled: true, host: 'api.example.com', models: ['Qwen3-8B', 7] }, peers: [] };
    expect(readProvider(status)).toEqual({ host: 'api.example.com', models: ['Qwen3-8B'] });
  });

  it.each([
    ['has none', { fallback: { enabled: false, host: null, models: [] } }],
    ['does not name it', { fallback: { enabled: true, models: ['Qwen3-8B'] } }],
    ['says nothing of it', { peers: [] }],
    ['sends no object', 'Bad gateway'],
    ['sends null', null],
  ])('OP1: an entry that %s has nothing to offer', (_what, status) => {
    expect(readProvider(status)).toBeUndefined();
  });
});
