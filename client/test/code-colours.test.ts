import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { CodeColours } from '../src/markdown/code-colours.ts';

/** Never answers for code that says so. */
function startColours() {
  const clock = new ManualClock();
  const workers: { hasEnded: boolean; failed(): void }[] = [];
  const colours = new CodeColours((answered, failed) => {
    const worker = { hasEnded: false, failed };
    workers.push(worker);
    return {
      send({ code }) {
        if (code !== 'endless') queueMicrotask(() => answered(`<span>${code}</span>`));
      },
      end() {
        worker.hasEnded = true;
      },
    };
  }, clock);
  return { clock, workers, colours };
}

describe('colours for code', () => {
  it('UI64: code that takes too long to colour stays as it is, and the next is coloured', async () => {
    const { clock, workers, colours } = startColours();
    expect(await colours.colour({ code: 'first', language: 'ts' })).toBe('<span>first</span>');
    const endless = colours.colour({ code: 'endless', language: 'ts' });
    const next = colours.colour({ code: 'next', language: 'ts' });
    await Promise.resolve();
    clock.advance(1_000);
    expect(await endless).toBeUndefined();
    expect(await next).toBe('<span>next</span>');
    expect(workers.map(({ hasEnded }) => hasEnded)).toEqual([true, false]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('UI64: the first waits for a slow network, and a worker that does not come costs only the colours', async () => {
    const { clock, workers, colours } = startColours();
    const first = colours.colour({ code: 'endless', language: 'ts' });
    await Promise.resolve();
    clock.advance(29_000);
    expect(workers[0]?.hasEnded).toBe(false);
    workers[0]?.failed();
    expect(await first).toBeUndefined();
    expect(await colours.colour({ code: 'next', language: 'ts' })).toBe('<span>next</span>');
  });
});
