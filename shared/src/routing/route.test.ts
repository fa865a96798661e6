import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClassId, PeerId } from '../protocol/ids.ts';
import { explain, type RouteCandidate, type RouteQuery, route } from './route.ts';

const peer = (name: string, changes: Partial<RouteCandidate> = {}): RouteCandidate => ({
  peerId: name as PeerId,
  classId: '0'.repeat(32) as ClassId,
  local: false,
  draining: false,
  contextTokens: 4096,
  failed: false,
  connectMs: 0,
  rttMs: 10,
  slots: 4,
  load: 0,
  ttftMs: 100,
  ttftP95Ms: 150,
  tokensPerSecond: 100,
  source: 'own',
  holdsPrefix: false,
  ...changes,
});
const unmeasured = {
  ttftMs: Number.NaN,
  tokensPerSecond: Number.NaN,
  source: 'none',
} as const;
const query: RouteQuery = {
  outputTokens: 200,
  contextTokens: 500,
  target: null,
  draws: [0.5, 0],
};
const chosen = (candidates: RouteCandidate[], changes: Partial<RouteQuery> = {}) =>
  candidates[route(candidates, { ...query, ...changes })]?.peerId;

describe('the router', () => {
  it('RT1: the lowest expected time wins', () => {
    expect(chosen([peer('alice', { tokensPerSecond: 40 }), peer('bob'), peer('carol', { rttMs: 800 })])).toBe('bob');
  });

  it('RT2: connecting, waiting and the first token count as much as decoding', () => {
    expect(chosen([peer('alice', { connectMs: 5000 }), peer('bob', { tokensPerSecond: 50 })])).toBe('bob');
    expect(chosen([peer('alice', { load: 12 }), peer('bob', { tokensPerSecond: 50 })])).toBe('bob');
    expect(chosen([peer('alice', { ttftMs: 9000 }), peer('bob', { tokensPerSecond: 50 })])).toBe('bob');
  });

  it('RT3: a peer whose measured speed misses the SLA is never chosen while another meets it', () => {
    const target = { ttftMs: 3000, tokensPerSecond: 8 };
    const quickButMissing = peer('alice', { tokensPerSecond: 7.9, ttftMs: 1 });
    const farButMeeting = peer('bob', { tokensPerSecond: 8.1, rttMs: 60_000 });
    expect(chosen([quickButMissing, farButMeeting], { target })).toBe('bob');
    expect(chosen([quickButMissing], { target })).toBe('alice');
  });

  it('RT4: a peer that drains, failed this job or holds too little context is no candidate', () => {
    const candidates = [
      peer('alice', { draining: true }),
      peer('bob', { failed: true }),
      peer('carol', { contextTokens: 499 }),
    ];
    expect(chosen(candidates)).toBeUndefined();
  });

  it('RT5: among equals the less busy of two drawn ones is taken', () => {
    const candidates = [peer('alice', { load: 3 }), peer('bob', { load: 1 })];
    expect(chosen(candidates, { draws: [0.5, 0] })).toBe('bob');
    expect(chosen(candidates, { draws: [0.5, 0.9] })).toBe('bob');
  });

  it('RT6: a local engine is preferred when it is as good, and only then', () => {
    expect(chosen([peer('alice'), peer('bob', { local: true, tokensPerSecond: 95 })])).toBe('bob');
    expect(chosen([peer('alice'), peer('bob', { local: true, tokensPerSecond: 50 })])).toBe('alice');
  });

  it('RT7: a conversation stays with the peer that holds its prefix unless another is clearly faster', () => {
    expect(chosen([peer('alice'), peer('bob', { holdsPrefix: true, tokensPerSecond: 88 })])).toBe('bob');
    expect(chosen([peer('alice'), peer('bob', { holdsPrefix: true, tokensPerSecond: 50 })])).toBe('alice');
  });

  it('RT8: an unmeasured idle peer is tried now and then, a busy one is not', () => {
    const candidates = [peer('alice'), peer('bob', unmeasured)];
    expect(chosen(candidates, { draws: [0.05, 0] })).toBe('bob');
    expect(chosen(candidates, { draws: [0.5, 0] })).toBe('alice');
    expect(
      chosen([peer('alice'), peer('bob', { ...unmeasured, load: 4 })], {
        draws: [0.05, 0],
      }),
    ).toBe('alice');
  });

  it('RT9: of peers that nobody measured the nearer and freer one is asked', () => {
    expect(chosen([peer('alice', { ...unmeasured, rttMs: 900, connectMs: 300 }), peer('bob', unmeasured)])).toBe('bob');
  });

  it('RT10: the explanation names the chosen one first and a reason for every other', () => {
    const candidates = [
      peer('alice', { tokensPerSecond: 10 }),
      peer('bob'),
      peer('carol', { draining: true }),
      peer('dave', unmeasured),
    ];
    const { candidates: rows } = explain(candidates, query, route(candidates, query));
    expect(rows.map((row) => [row.peerId, row.verdict])).toEqual([
      ['bob', 'chosen'],
      ['carol', 'draining'],
      ['alice', 'slower'],
      ['dave', 'unmeasured'],
    ]);
    expect(rows[0]).toMatchObject({
      expectedMs: 10 + 100 + 2000,
      waitMs: 0,
      source: 'own',
    });
    expect(rows[3]).toMatchObject({ expectedMs: null, tokensPerSecond: null });
  });

  it('RT10: a peer that was passed over to try an unmeasured one is not called busier', () => {
    const candidates = [peer('alice'), peer('bob', unmeasured)];
    const trying: RouteQuery = { ...query, draws: [0.05, 0] };
    const { candidates: rows } = explain(candidates, trying, route(candidates, trying));
    expect(rows.map((row) => [row.peerId, row.verdict])).toEqual([
      ['bob', 'chosen'],
      ['alice', 'another-tried'],
    ]);
  });

  it('RT10: where no peer meets the SLA, the slower one lost for being slower', () => {
    const candidates = [peer('alice', { tokensPerSecond: 7 }), peer('bob', { tokensPerSecond: 3 }), peer('carol')];
    const target = { ttftMs: 3000, tokensPerSecond: 8 };
    const verdicts = (among: RouteCandidate[]) => {
      const gated: RouteQuery = { ...query, target };
      return explain(among, gated, route(among, gated)).candidates.map((row) => row.verdict);
    };
    expect(verdicts(candidates)).toEqual(['chosen', 'misses-sla', 'misses-sla']);
    expect(verdicts(candidates.slice(0, 2))).toEqual(['chosen', 'slower']);
  });

  it('RT11: whatever the figures, the choice can serve, and nobody clearly better was passed over', () => {
    const candidate = fc.record({
      draining: fc.boolean(),
      failed: fc.boolean(),
      contextTokens: fc.integer({ min: 100, max: 1000 }),
      rttMs: fc.double({ min: 0, max: 1000, noNaN: true }),
      load: fc.integer({ min: 0, max: 20 }),
      ttftMs: fc.double({ min: 1, max: 5000, noNaN: true }),
      tokensPerSecond: fc.double({ min: 0.5, max: 500, noNaN: true }),
    });
    const draw = fc.double({ min: 0, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 30 }), fc.tuple(draw, draw), (figures, draws) => {
        const candidates = figures.map((figure, index) => peer(`peer-${index}`, figure));
        const index = route(candidates, { ...query, draws });
        const able = candidates.filter((one) => !one.draining && !one.failed && one.contextTokens >= 500);
        if (able.length === 0) {
          expect(index).toBe(-1);
          return;
        }
        expect(able).toContain(candidates[index]);
        const rows = explain(candidates, { ...query, draws }, index).candidates;
        const best = Math.min(
          ...rows
            .filter((row) => able.some((one) => one.peerId === row.peerId))
            .map((row) => row.expectedMs ?? Infinity),
        );
        expect(rows[0]?.expectedMs).toBeLessThanOrEqual(best * 1.1 + 1e-9);
      }),
    );
  });
});
