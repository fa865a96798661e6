/** What `npm start` builds, with a Vite that only notes that it was called; `setup-packages.test.ts` is about the packages. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ensureNodeBuilt } from '../../shared/setup/build-node.mjs';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import { temporaryFolder } from './temporary-folder.ts';

const BUILD_NODE = new URL('../../shared/setup/build-node.mjs', import.meta.url).href;

async function repository() {
  const root = await temporaryFolder();
  const calls = join(root, 'calls.txt');
  await mkdir(join(root, 'client/src'), { recursive: true });
  await mkdir(join(root, 'shared/src'), { recursive: true });
  await mkdir(join(root, 'native-peer/src'), { recursive: true });
  await mkdir(join(root, 'node_modules/vite/bin'), { recursive: true });
  const build = `
    require('node:fs').appendFileSync(${JSON.stringify(calls)}, 'x');
    const at = process.argv.indexOf('--outDir');
    const folder = at < 0 ? 'dist' : process.argv[at + 1];
    require('node:fs').mkdirSync(folder, { recursive: true });
    for (const file of ['index.html', 'cli.js']) require('node:fs').writeFileSync(folder + '/' + file, '');
    if (require('node:fs').existsSync(${JSON.stringify(join(root, 'broken'))})) process.exit(1);`;
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

  it('CL60: the command is compiled when it is missing or a source has changed, and by several starts at once', async () => {
    const { root, callCount } = await repository();
    await ensureNodeBuilt(root);
    await ensureNodeBuilt(root);
    expect(await callCount()).toBe(1);
    await writeFile(join(root, 'native-peer/src/new.ts'), 'export {};');
    const compile = `import(${JSON.stringify(BUILD_NODE)}).then((build) => build.ensureNodeBuilt(${JSON.stringify(root)}))`;
    const starts = await Promise.all([1, 2, 3].map(() => promisify(execFile)(process.execPath, ['-e', compile])));
    expect(starts).toHaveLength(3);
    const calls = await callCount();
    expect(calls).toBeGreaterThanOrEqual(2);
    await ensureNodeBuilt(root);
    expect(await callCount()).toBe(calls);
    expect(await readdir(join(root, 'native-peer'))).toEqual(['dist', 'src']);
  });

  it('CL60: what can not be compiled is told in one sentence, and the last build stays', async () => {
    const { root } = await repository();
    await ensureNodeBuilt(root);
    await writeFile(join(root, 'broken'), '');
    await writeFile(join(root, 'native-peer/src/new.ts'), 'export');
    await expect(ensureNodeBuilt(root)).rejects.toThrow(/can't be compiled/);
    expect((await readdir(join(root, 'native-peer/dist'))).sort()).toEqual(['.tabmesh-stamp', 'cli.js', 'index.html']);
  });
});
