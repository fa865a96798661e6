/** How the script that installs for every machine judges what came. */
import { describe, expect, it } from 'vitest';
import { FAMILIES, nativeFamilies } from './native-families.mjs';

const windows = { platform: 'win32', arch: 'arm64' };
const native = { version: '1.0.0', integrity: 'sha512-x', optional: true, os: ['win32'], cpu: ['arm64'] };
const cellsOf = (packages: Parameters<typeof nativeFamilies>[0], installed: readonly string[]) => {
  const cells = nativeFamilies(packages, windows, (place) => installed.includes(place));
  return Object.fromEntries(FAMILIES.map(({ what }, index) => [what, cells[index]]));
};

describe('the installations', () => {
  it('SU13: tell a native package that should have come from one that cannot, and from one that does not exist', () => {
    const packages = {
      'node_modules/@node-llama-cpp/win-arm64': { ...native, integrity: undefined },
      'node_modules/@node-datachannel/win32-arm64-msvc': native,
      'node_modules/@esbuild/win32-arm64': native,
      'node_modules/@libsql/win32-x64-msvc': { ...native, cpu: ['x64'] },
    };
    const cells = cellsOf(packages, ['node_modules/@esbuild/win32-arm64']);
    expect(cells['llama.cpp']).toEqual({ text: 'not yet' });
    expect(cells.WebRTC).toEqual({
      text: 'MISSING',
      fault: '@node-datachannel/win32-arm64-msvc (WebRTC) did not come.',
    });
    expect(cells.TypeScript).toEqual({ text: 'ok' });
    expect(cells.SQLite).toEqual({ text: 'none' });
  });

  it('SU13: count on llama.cpp for the processor alone, not on those for graphics cards', () => {
    const packages = {
      'node_modules/@node-llama-cpp/win-arm64': native,
      'node_modules/@node-llama-cpp/win-x64-cuda': { ...native, cpu: ['arm64', 'x64'] },
    };
    expect(cellsOf(packages, ['node_modules/@node-llama-cpp/win-arm64'])['llama.cpp']).toEqual({ text: 'ok' });
    expect(cellsOf(packages, ['node_modules/@node-llama-cpp/win-x64-cuda'])['llama.cpp']?.text).toBe('MISSING');
  });
});
