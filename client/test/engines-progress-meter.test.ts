import { describe, expect, it } from 'vitest';
import type { LoadProgress } from '../src/engines/kit/model-source.ts';
import { ProgressMeter } from '../src/engines/kit/progress-meter.ts';

describe('progress meter', () => {
  it('EN80: the speed is that of the last seconds, and unknown at first', () => {
    const { meter, last, at } = start();
    meter.update('download', 0, 10_000);
    expect(last()).toEqual({ phase: 'download', loadedBytes: 0, totalBytes: 10_000, bytesPerSecond: null });
    at(1_000);
    meter.update('download', 500, 10_000);
    expect(last()?.bytesPerSecond).toBe(500);
    for (let second = 2; second <= 10; second += 1) {
      at(second * 1_000);
      meter.update('download', second * 1_000, 10_000);
    }
    expect(last()?.bytesPerSecond).toBe(1_000);
  });

  it('EN81: a new phase and a download that starts again start the speed again', () => {
    const { meter, last, at } = start();
    meter.update('download', 0, null);
    at(1_000);
    meter.update('download', 1_000, null);
    meter.update('check', 0, 1_000);
    expect(last()).toEqual({ phase: 'check', loadedBytes: 0, totalBytes: 1_000, bytesPerSecond: null });
    at(2_000);
    meter.update('download', 5_000, null);
    meter.update('download', 10, null);
    expect(last()?.bytesPerSecond).toBeNull();
  });
});

function start() {
  const reports: LoadProgress[] = [];
  let nowMs = 0;
  const meter = new ProgressMeter(
    (progress) => reports.push(progress),
    () => nowMs,
  );
  return {
    meter,
    last: () => reports.at(-1),
    at(ms: number) {
      nowMs = ms;
    },
  };
}
