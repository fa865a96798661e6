import { afterEach, describe, expect, it, vi } from 'vitest';
import { knownMemoryBytes } from '../src/engines/kit/device-report.ts';

afterEach(() => vi.unstubAllGlobals());

describe('the memory of a device', () => {
  it('CT8: is what the browser tells', () => {
    vi.stubGlobal('navigator', { deviceMemory: 8 });
    expect(knownMemoryBytes()).toBe(8 * 1024 ** 3);
  });

  it('CT8: is null where the browser tells none', () => {
    vi.stubGlobal('navigator', {});
    expect(knownMemoryBytes()).toBeNull();
  });
});
