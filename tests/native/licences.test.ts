/** The licences as they reach people: with the web app, and in the packages. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npmCommand } from '../../shared/setup/npm-command.mjs';
import { root, tabmesh } from '../setup/command.ts';

describe('licences', () => {
  it('SU12: an entry serves those of what the web app is made of', async () => {
    await using entry = tabmesh(['entry'], { PORT: '0' });
    const [, url = ''] = await entry.line(/^TabMesh ready: (http:\/\/\S+)$/);
    const response = await fetch(`${url}/licences.txt`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    for (const name of ['svelte', '@mlc-ai/web-llm', '@wllama/wllama', 'simple-peer', 'zod']) {
      expect(text).toMatch(new RegExp(`^${name} \\d.*\\n-+\\n\\n\\S`, 'm'));
    }
  });

  it.each(['shared', 'signaling', 'client', 'native-peer'])('SU12: the tarball of %s has the licence', (workspace) => {
    const { command, args } = npmCommand();
    const pack = [...args, 'pack', '--dry-run', '--json', '--ignore-scripts', '--workspace', workspace];
    const [packed] = JSON.parse(execFileSync(command, pack, { cwd: root, encoding: 'utf8' }));
    expect(packed.files.map(({ path }: { path: string }) => path)).toContain('LICENSE');
    expect(readFileSync(join(root, workspace, 'LICENSE'))).toEqual(readFileSync(join(root, 'LICENSE')));
  });
});
