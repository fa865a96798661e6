/** What `npm start` builds, with a Vite that only notes that it was called; `setup-packages.test.ts` is about the packages. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import { temporaryFolder } from './temporary-folder.ts';

async function repository() {
  const root = await temporaryFolder();
  const calls = join(root, 'calls.txt');
  await mkdir(join(root, 'client/src'), { recursive: true });
  await mkdir(join(root, 'shared/src'), { recursive: true });
  await mkdir(join(root, 'node_modules/vite/bin'), { recursive: true });
  const build = `
    require('node:fs').appendFileSync(${JSON.stringify(calls)}, 'x');
    require('node:fs').mkdirSync('dist', { recursive: true });
    require('node:fs').writeFileSync('dist/index.html', '')`;
  await writeFile(join(root, 'node_modules/vite/bin/vite.js'), build);
  const callCount = async () => (await readFile(calls, 'utf8').catch(() => '')).length;
  return { root, callCount };
}

describe('set-up', () => {
  it('CL20: the web app is built when it is missing or a source was added, changed or removed', async () => {
    const { root, callCount } = await repository();
    await ensureWebBuilt(root);
    await ensureWebBuilt(root);
    expect(await callCount()).toBe(1);
    const source = join(root, 'shared/src/new.ts');
    await writeFile(source, 'export {};');
    await ensureWebBuilt(root);
    expect(await callCount()).toBe(2);
    await rm(source);
    await ensureWebBuilt(root);
    expect(await callCount()).toBe(3);
    await writeFile(join(root, 'shared/src/new.test.ts'), '');
    await ensureWebBuilt(root);
    expect(await callCount()).toBe(3);
  });
});
