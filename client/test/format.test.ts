import { describe, expect, it } from 'vitest';
import { formatAge, formatBytes, formatCount, formatMs, formatRate, formatSeconds, plural } from '../src/ui/format.ts';

describe('figures', () => {
  it('TH23: run as a clock does', () => {
    expect([0, 999, 1_000, 12_400, 59_999, 60_000, 125_000].map(formatSeconds)).toEqual([
      'under 1 s',
      'under 1 s',
      '1 s',
      '12 s',
      '59 s',
      '1 min 0 s',
      '2 min 5 s',
    ]);
  });

  it('UI41: have one decimal below ten and none above, with their unit', () => {
    expect([0.4, 4.93, 84.3, 999.6, 1_234, 59_000, 61_000].map(formatMs)).toEqual([
      ...['<1 ms', '4.9 ms', '84 ms', '1 s', '1.2 s', '59 s', '1 min'],
    ]);
    expect([0, 5.27, 41.3, 1_432, 12_400, 3_100_000].map(formatCount)).toEqual([
      '0',
      '5.3',
      '41',
      '1.4k',
      '12k',
      '3.1M',
    ]);
    expect([14, 1_500, 61_000].map(formatAge)).toEqual(['just now', '1.5 s ago', '1 min ago']);
    expect(formatRate(41.3)).toBe('41 tok/s');
    expect([0, 812, 5_620_864, 412_000_000, 2_020_000_000].map(formatBytes)).toEqual([
      ...['0 KB', '1 KB', '5.6 MB', '412 MB', '2 GB'],
    ]);
    expect([plural(1, 'peer'), plural(0, 'peer'), plural(5, 'peer')]).toEqual(['1 peer', '0 peers', '5 peers']);
  });
});
