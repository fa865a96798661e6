import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopScanner } from './stop-scanner.ts';

function scan(chunks: readonly string[], stops: readonly string[]): string {
  const scanner = new StopScanner(stops);
  let out = '';
  for (const chunk of chunks) {
    const { text, stopped } = scanner.push(chunk);
    out += text;
    if (stopped) return out;
  }
  return out + scanner.flush();
}

describe('stop strings', () => {
  it('IN1: a stop string split over deltas never shows, not even its beginning', () => {
    expect(scan(['one E', 'N', 'D two'], ['END'])).toBe('one ');
  });

  it('IN1: a beginning that becomes nothing is given out', () => {
    expect(scan(['one E', 'N', ' two'], ['END'])).toBe('one EN two');
  });

  it('IN1: of two stop strings that overlap the one complete first counts', () => {
    expect(scan(['a', 'b', 'c'], ['abc', 'b'])).toBe('a');
    expect(scan(['abc'], ['abc', 'b'])).toBe('a');
  });

  it('IN1: the cut is that of the whole text, however it is split', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'c'),
      maxLength: 30,
    });
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 12 }),
        fc.array(
          text.filter((stop) => stop !== ''),
          { maxLength: 3 },
        ),
        (chunks, stops) => {
          const whole = chunks.join('');
          const ends = stops.flatMap((stop) => (whole.includes(stop) ? [whole.indexOf(stop) + stop.length] : []));
          const end = Math.min(...ends);
          const longest = Math.max(
            ...stops
              .filter((stop) => whole.indexOf(stop) + stop.length === end && whole.includes(stop))
              .map((stop) => stop.length),
          );
          expect(scan(chunks, stops)).toBe(ends.length === 0 ? whole : whole.slice(0, end - longest));
        },
      ),
    );
  });
});
