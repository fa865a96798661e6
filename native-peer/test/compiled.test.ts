/** The command in its compiled form: what it loads, and what its errors say. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mayHaveGpu } from '../src/llama/gpu-device.ts';
import { SCRIPT, startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

const dist = join(dirname(SCRIPT), '../dist');

/** The sources of a compiled file and of all that it imports at once. */
function sourcesOf(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const imported = [...readFileSync(file, 'utf8').matchAll(/^import .*?"(\.[^"]+)";$/gm)].map(([, path = '']) => path);
  const own: string[] = existsSync(`${file}.map`) ? JSON.parse(readFileSync(`${file}.map`, 'utf8')).sources : [];
  return [...own, ...imported.flatMap((path) => sourcesOf(join(dirname(file), path), seen))];
}

describe('the compiled command', () => {
  it('CL61: its help loads flags and nothing of what runs', async () => {
    const { code, stdout } = await startTabmesh(['--help'], {}).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('Usage: tabmesh');
    const sources = sourcesOf(join(dist, 'cli.js'));
    expect(
      sources.some(
        (source) => source.endsWith('native-peer/src/cli/commands/up.ts') || source.endsWith('src/cli/commands/up.ts'),
      ),
    ).toBe(true);
    const ofTheMesh = sources.filter((source) =>
      /shared\/src\/(?!errors\.ts)|signaling\/src\/|\/actions\//.test(source),
    );
    expect(ofTheMesh).toEqual([]);
    const packages = new Set(sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []));
    expect([...packages].sort()).toEqual(['@bomb.sh/tab', 'commander']);
  });

  it('CL60: no compiled file translates TypeScript or wraps functions to keep their names', () => {
    const sources = sourcesOf(join(dist, 'cli.js'));
    expect(sources.length).toBeGreaterThan(10);
    for (const file of ['cli.js', 'prompt-process.js', 'index.js']) {
      const code = readFileSync(join(dist, file), 'utf8');
      expect(code).not.toMatch(/__name\(|from "tsx/);
    }
  });

  it('CL63: the stack of an error names lines of TypeScript, with TABMESH_LOG=debug', async () => {
    const { code, stderr } = await startTabmesh(['serve', '--model', 'no-such-model'], {
      TABMESH_HOME: await temporaryFolder(),
      TABMESH_LOG: 'debug',
    }).ended;
    expect(code).toBe(1);
    const place = /models\/model-store\.ts:(\d+):\d+/.exec(stderr);
    const lines = readFileSync(join(dirname(SCRIPT), '../src/models/model-store.ts'), 'utf8').split('\n');
    expect(lines[Number(place?.[1]) - 1]).toContain('new MeshError');
    expect(stderr).not.toContain('/dist/parts/');
  });
});

describe('a GPU', () => {
  it('NP120: is looked for on Linux only where there is a device, and elsewhere always', () => {
    const of = (...names: string[]) => mayHaveGpu('linux', () => ['null', 'tty', 'zero', ...names]);
    expect(of()).toBe(false);
    for (const name of ['dri', 'nvidia0', 'nvidiactl', 'nvmap', 'kfd', 'dxg', 'mali0', 'kgsl-3d0']) {
      expect(of(name), name).toBe(true);
    }
    expect(mayHaveGpu('darwin', () => [])).toBe(true);
    expect(mayHaveGpu('win32', () => [])).toBe(true);
  });
});
