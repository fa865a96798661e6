import { PeerId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { createMeshDrawing, DRAWING_HEIGHT, DRAWING_WIDTH } from '../src/status/status-drawing.ts';
import { alice, bob, carol, peer, served } from './status-peers.ts';

const nth = (index: number) => PeerId.parse(`${String(index).padStart(3, '0').repeat(14)}A`);

describe('the drawing of the mesh', () => {
  it('ST13: a faster peer is larger, an unmeasured one the smallest, and links are drawn once', () => {
    const { peers, links } = createMeshDrawing()(
      [
        peer(alice, [], { linked: true }),
        peer(bob, [served('mesh-tiny', { rate: 1_000, inFlight: 2 })], {
          linked: true,
          rttMs: 4,
          links: [alice, carol],
        }),
        peer(carol, [served('mesh-tiny', { rate: 10 })], { links: [bob] }),
      ],
      alice,
    );
    const sizes = new Map(peers.map(({ peerId, radius }) => [peerId, radius]));
    expect(sizes.get(bob)).toBeGreaterThan(sizes.get(carol) ?? 99);
    expect(sizes.get(carol)).toBeGreaterThan(sizes.get(alice) ?? 99);
    expect(peers.find(({ peerId }) => peerId === bob)?.running).toBe(2);
    expect(links.map(({ from, to, rttMs }) => [from.peerId, to.peerId, rttMs])).toEqual([
      [bob, carol, 5],
      [alice, bob, 4],
    ]);
  });

  it('ST14: of a large mesh the 60 most relevant are drawn, this tab and its links first, and the rest is counted', () => {
    const crowd = Array.from({ length: 200 }, (_unused, index) =>
      peer(nth(index), [served('mesh-tiny', { rate: index + 1 })], { linked: index < 8 }),
    );
    const { peers, omitted, description } = createMeshDrawing()([...crowd, peer(alice, [])], alice);
    const drawn = peers.map(({ peerId }) => peerId);
    expect(drawn).toHaveLength(60);
    expect(omitted).toBe(141);
    for (const expected of [alice, ...crowd.slice(0, 8).map(({ peerId }) => peerId), nth(199)]) {
      expect(drawn).toContain(expected);
    }
    expect(description).toContain('141 more peers are not drawn');
    for (const { x, y, radius } of peers) {
      expect(x - radius >= 0 && x + radius <= DRAWING_WIDTH && y - radius >= 0 && y + radius <= DRAWING_HEIGHT).toBe(
        true,
      );
    }
  });

  it('ST15: who stays keeps its place while others come, go and change', () => {
    const draw = createMeshDrawing();
    const crowd = (rate: number, from: number, to: number) =>
      Array.from({ length: to - from }, (_unused, index) =>
        peer(nth(from + index), [served('mesh-tiny', { rate: rate * (1 + index) })]),
      );
    const places = ({ peers }: ReturnType<typeof draw>) =>
      new Map(peers.map((drawn) => [drawn.peerId, `${drawn.x}, ${drawn.y}`]));
    const before = places(draw(crowd(10, 0, 20), undefined));
    const after = places(draw(crowd(3, 5, 25).reverse(), undefined));
    for (let index = 5; index < 20; index += 1) expect(after.get(nth(index))).toBe(before.get(nth(index)));
  });
});
