/** What `npm start` prepares, with an npm and a Vite that only note that they were called. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import { ensurePackages } from '../../shared/setup/ensure-packages.mjs';
import { temporaryFolder } from './temporary-folder.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

async function repository() {
  const root = await temporaryFolder();
  const calls = join(root, 'calls.txt');
  const noted = (more: string) => `require('node:fs').appendFileSync(${JSON.stringify(calls)}, 'x');${more}`;
  await writeFile(join(root, 'npm.js'), noted("require('node:fs').mkdirSync('node_modules', { recursive: true })"));
  vi.stubEnv('npm_execpath', join(root, 'npm.js'));
  await writeFile(join(root, 'package-lock.json'), '{}');
  await mkdir(join(root, 'client/src'), { recursive: true });
  await mkdir(join(root, 'shared/src'), { recursive: true });
  await mkdir(join(root, 'node_modules/vite/bin'), { recursive: true });
  const build =
    "require('node:fs').mkdirSync('dist', { recursive: true });require('node:fs').writeFileSync('dist/index.html', '')";
  await writeFile(join(root, 'node_modules/vite/bin/vite.js'), noted(build));
  const callCount = async () => (await readFile(calls, 'utf8').catch(() => '')).length;
  return { root, callCount };
}

describe('set-up', () => {
  it('CL18: packages are installed once, and again when the lock file changes', async () => {
    const { root, callCount } = await repository();
    await ensurePackages(root);
    await ensurePackages(root);
    expect(await callCount()).toBe(1);
    await writeFile(join(root, 'package-lock.json'), '{"changed":true}');
    await ensurePackages(root);
    expect(await callCount()).toBe(2);
  });

  it('CL18: packages that npm installed from this lock file by hand are taken as they are', async () => {
    const { root, callCount } = await repository();
    await writeFile(join(root, 'node_modules/.package-lock.json'), '{}');
    await ensurePackages(root);
    expect(await callCount()).toBe(0);
  });

  it('CL19: an npm that fails is told with the next step, and tried again next time', async () => {
    const { root, callCount } = await repository();
    await writeFile(join(root, 'npm.js'), 'process.exit(1)');
    await expect(ensurePackages(root)).rejects.toThrow('Check the network, then try again.');
    expect(await callCount()).toBe(0);
    await expect(ensurePackages(root)).rejects.toThrow('npm install failed');
  });

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
