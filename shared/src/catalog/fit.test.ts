import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalogModel } from './catalog.ts';
import { chooseFitting, fitsIn, memoryNeededBytes } from './fit.ts';

const GB = 1e9;
const model = (id: string, sizeBytes = catalogModel(id)?.gguf?.sizeBytes ?? 0) => ({ id, sizeBytes });

describe('what fits', () => {
  it('CT5: a model needs 1.1 times its file of fast memory', () => {
    expect(memoryNeededBytes(10 * GB)).toBeCloseTo(11 * GB, -1);
    expect(fitsIn(11.01 * GB, 10 * GB)).toBe(true);
    expect(fitsIn(10.99 * GB, 10 * GB)).toBe(false);
  });

  it('CT6: a Mac of 14.5 GB that is asked for an 8B and a 32B model drops the 32B and serves the 8B alone', () => {
    const asked = [model('Qwen3-32B'), model('Qwen3-8B')];
    const { served, dropped } = chooseFitting(asked, 14.5 * GB);
    expect(served.map(({ id }) => id)).toEqual(['Qwen3-8B']);
    expect(dropped).toMatchObject([{ model: { id: 'Qwen3-32B' }, reason: 'too-large', freeBytes: 14.5 * GB }]);
    expect(dropped[0]?.neededBytes).toBeCloseTo(21.78 * GB, -7);
  });

  it('CT6: of two models that fit alone but not together the smaller one is served', () => {
    const asked = [model('Qwen3-14B'), model('Qwen3-8B')];
    for (const one of asked) expect(fitsIn(14.5 * GB, one.sizeBytes)).toBe(true);
    const { served, dropped } = chooseFitting(asked, 14.5 * GB);
    expect(served.map(({ id }) => id)).toEqual(['Qwen3-8B']);
    expect(dropped).toMatchObject([{ model: { id: 'Qwen3-14B' }, reason: 'no-room-left' }]);
    expect(dropped[0]?.freeBytes).toBeCloseTo(8.967 * GB, -7);
  });

  it('CT6: models that fit together are all served, in the order in which they were asked for', () => {
    const asked = [model('Qwen3-8B'), model('mesh-tiny'), model('Llama-3.2-3B')];
    expect(chooseFitting(asked, 14.5 * GB)).toEqual({ served: asked, dropped: [] });
  });

  it('CT6: whatever is asked for, the served models fit together and no dropped one fits beside them', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50 * GB }), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 100 * GB }), (asked, memoryBytes) => {
        const { served, dropped } = chooseFitting(
          asked.map((size, index) => model(`model-${index}`, size)),
          memoryBytes,
        );
        const takenBytes = served.reduce((sum, { sizeBytes }) => sum + memoryNeededBytes(sizeBytes), 0);
        expect(served.length + dropped.length).toBe(asked.length);
        expect(takenBytes).toBeLessThanOrEqual(memoryBytes + 1);
        for (const { neededBytes, reason } of dropped) {
          expect(takenBytes + neededBytes).toBeGreaterThan(memoryBytes - 1);
          expect(reason).toBe(neededBytes > memoryBytes ? 'too-large' : 'no-room-left');
        }
      }),
    );
  });
});
