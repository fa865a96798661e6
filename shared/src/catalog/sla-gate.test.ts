import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateSla } from './sla-gate.ts';

const daily = 'Qwen3-8B';
const peer = (ttftMs: number, tokensPerSecond: number, sampleCount = 3) => ({ ttftMs, tokensPerSecond, sampleCount });

describe('the gate of a daily driver', () => {
  it('GT1: one peer that meets both figures, the limits included, meets the SLA', () => {
    expect(evaluateSla(daily, [peer(9_000, 1), peer(3_000, 8)])).toEqual({
      status: 'meets-sla',
      passes: true,
      tier: 'daily-driver',
      candidates: 2,
      bestTtftMs: 3_000,
      bestTokensPerSecond: 8,
    });
  });

  it('GT2: nobody serves the model', () => {
    expect(evaluateSla(daily, [])).toEqual({
      status: 'no-peer-with-model',
      passes: false,
      tier: 'daily-driver',
      candidates: 0,
      bestTtftMs: null,
      bestTokensPerSecond: null,
    });
  });

  it('GT2: peers without a sample are candidates, but nothing is measured', () => {
    expect(evaluateSla(daily, [null, peer(1, 100, 0)])).toMatchObject({
      status: 'no-measurements',
      passes: false,
      candidates: 2,
      bestTtftMs: null,
    });
  });

  it.each([
    ['ttft-too-high', [peer(3_001, 20)]],
    ['tps-too-low', [peer(500, 7.9)]],
    ['both-too-low', [peer(3_001, 7.9)]],
    ['ttft-too-high', [peer(20_000, 0.1), peer(5_000, 20)]],
  ] as const)('GT3: %s names what the peer nearest to the target misses', (status, candidates) => {
    expect(evaluateSla(daily, candidates)).toMatchObject({ status, passes: false });
  });

  it('GT3: two peers that each miss one figure do not meet the SLA together', () => {
    const verdict = evaluateSla(daily, [peer(6_000, 50), peer(100, 7)]);

    expect(verdict).toMatchObject({
      status: 'tps-too-low',
      passes: false,
      bestTtftMs: 100,
      bestTokensPerSecond: 50,
    });
  });
});

describe('the other tiers', () => {
  it('GT4: a capacity model passes at 15 s and 0.8 tok/s', () => {
    expect(evaluateSla('Qwen3-32B', [peer(15_000, 0.8)])).toMatchObject({ status: 'meets-sla', tier: 'capacity' });
    expect(evaluateSla('Qwen3-32B', [peer(24_925, 1.09)])).toMatchObject({ status: 'ttft-too-high', passes: false });
  });

  it('GT4: an experimental model is never gated away while a peer serves it, measured or not', () => {
    expect(evaluateSla('mesh-tiny', [peer(60_000, 0.01)])).toMatchObject({ status: 'meets-sla', passes: true });
    expect(evaluateSla('mesh-tiny', [null])).toMatchObject({ status: 'no-measurements', passes: true });
    expect(evaluateSla('mesh-tiny', [])).toMatchObject({ status: 'no-peer-with-model', passes: false });
  });
});

describe('absurd figures', () => {
  it('GT5: figures that are no measurement never pass a peer and never become the best', () => {
    const absurd = fc.record({
      ttftMs: fc.constantFrom(Number.NaN, -1, Number.NEGATIVE_INFINITY),
      tokensPerSecond: fc.double(),
      sampleCount: fc.integer(),
    });
    fc.assert(
      fc.property(fc.array(absurd, { minLength: 1 }), (candidates) => {
        expect(evaluateSla(daily, candidates)).toMatchObject({ status: 'no-measurements', bestTokensPerSecond: null });
      }),
    );
  });
});
