import { describe, expect, it } from 'vitest';
import { parseRoute } from '../src/navigation/route.ts';
import { efficiencyTone, medianEfficiency, modelRows, peerRows } from '../src/status/status.ts';
import { alice, bob, carol, peer, served } from './status-peers.ts';

describe('model rows', () => {
  it('ST8: a model is one row with its tier, its peers and the medians over those that measured', () => {
    const rows = modelRows([
      peer(alice, [served('Qwen3-8B', { rate: 40, native: 50, ageMs: 90_000 })]),
      peer(bob, [served('Qwen3-8B', { rate: 20, native: 40, sampleCount: 2, inFlight: 1 }), served('mesh-tiny')]),
      peer(carol, [served('Qwen3-8B')]),
    ]);

    expect(rows).toMatchObject([
      {
        id: 'Qwen3-8B',
        tier: 'daily-driver',
        peerCount: 3,
        inFlight: 1,
        throughMesh: 30,
        native: 45,
        ttftMs: 150,
        sampleCount: 7,
        ageMs: 60_000,
      },
      { id: 'mesh-tiny', tier: 'experimental', peerCount: 1 },
    ]);
    expect(rows[0]?.efficiency).toBeCloseTo(0.65);
  });

  it('ST9: what was not measured is null and never zero', () => {
    const [row] = modelRows([peer(alice, [served('mesh-tiny')]), peer(bob, [served('mesh-tiny', { native: 50 })])]);
    expect(row).toMatchObject({ throughMesh: null, native: 50, efficiency: null, ttftMs: null, ageMs: null });
    expect(medianEfficiency([peer(alice, [served('mesh-tiny')])])).toBeNull();
  });

  it('ST8: a peer that drains serves nothing any more', () => {
    expect(modelRows([peer(alice, [served('mesh-tiny')], { draining: true })])).toEqual([]);
  });

  it('ST10: efficiency compares both rates of one peer, and the mesh shows the median with its samples', () => {
    const peers = [
      peer(alice, [served('Qwen3-8B', { rate: 45, native: 50 })]),
      peer(bob, [served('Qwen3-8B', { rate: 60, native: 100 }), served('mesh-tiny', { rate: 99, native: 100 })]),
      peer(carol, [served('Qwen3-8B', { rate: 1 })]),
    ];
    expect(medianEfficiency(peers)).toEqual({ median: 0.9, sampleCount: 15 });
  });

  it('ST10: it is green from 80 %, amber from 50 % and red below', () => {
    expect([1.2, 0.8, 0.79, 0.5, 0.49].map(efficiencyTone)).toEqual(['good', 'good', 'waiting', 'waiting', 'bad']);
  });
});

describe('peer rows', () => {
  it('ST11: this tab comes first, then who serves; each says what it is doing', () => {
    const rows = peerRows(
      [
        peer(alice, [served('mesh-tiny', { inFlight: 1 })], { rttMs: 3 }),
        peer(bob, []),
        peer(carol, [served('mesh-tiny')], { draining: true }),
      ],
      bob,
    );
    expect(rows.map(({ peerId, self, state, rttMs }) => ({ peerId, self, state, rttMs }))).toEqual([
      { peerId: bob, self: true, state: 'asking', rttMs: null },
      { peerId: alice, self: false, state: 'answering', rttMs: 3 },
      { peerId: carol, self: false, state: 'draining', rttMs: null },
    ]);
  });
});

it('ST12: the page has an address', () => {
  expect(parseRoute('/status')).toEqual({ page: 'status' });
});
