/** Keys and the folder they live in. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { homePath, openHome } from '../src/home/home.ts';
import { openIdentity } from '../src/home/identity-file.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('home', () => {
  it('NP33: TABMESH_HOME names the folder, which is made when it is missing', async () => {
    const path = join(await temporaryFolder(), 'deep', 'home');
    expect(homePath({ TABMESH_HOME: path })).toBe(path);
    expect(homePath({})).toMatch(/\.tabmesh$/);
    await openHome(path);
    expect(existsSync(join(path, 'models'))).toBe(true);
  });

  it.runIf(process.platform !== 'win32')(
    'NP99: a folder that is made is its user’s alone; one that is there keeps its mode',
    async () => {
      const folder = await temporaryFolder();
      const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
      await openHome(join(folder, 'new'));
      expect(await modeOf(join(folder, 'new'))).toBe(0o700);
      await mkdir(join(folder, 'shared'));
      await chmod(join(folder, 'shared'), 0o755);
      await openHome(join(folder, 'shared'));
      expect(await modeOf(join(folder, 'shared'))).toBe(0o755);
    },
  );

  it('NP34: a home that can not be written is a home_not_writable that names another way', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(openHome(join(file, 'home'))).rejects.toMatchObject({
      code: 'home_not_writable',
      message: expect.stringContaining('TABMESH_HOME='),
    });
  });
});

describe('identity file', () => {
  it('NP35: a peer has the same key every time, readable by its owner only', async () => {
    const folder = await temporaryFolder();
    const first = await openIdentity(folder, 'identity', systemRandom);
    await first.close();
    const again = await openIdentity(folder, 'identity', systemRandom);
    expect(again.identity.peerId).toBe(first.identity.peerId);
    expect((await stat(again.file)).mode & 0o777).toBe(0o600);
    await again.close();
  });

  it('NP36: while one key is in use the next peer of the same home gets its own', async () => {
    const folder = await temporaryFolder();
    const [alice, bob] = [
      await openIdentity(folder, 'identity', systemRandom),
      await openIdentity(folder, 'identity', systemRandom),
    ];
    expect(bob.identity.peerId).not.toBe(alice.identity.peerId);
    expect(bob.file).toBe(join(folder, 'identity-2.json'));
    await alice.close();
    const carol = await openIdentity(folder, 'identity', systemRandom);
    expect(carol.identity.peerId).toBe(alice.identity.peerId);
    await Promise.all([bob.close(), carol.close()]);
  });

  it('NP37: the lock of a process that is gone is taken over', async () => {
    const folder = await temporaryFolder();
    const lock = join(folder, 'identity.json.lock');
    // No system gives out process ids this high; the second one is this process's own id from an earlier life.
    for (const owner of ['999999999 1 x', `${process.pid} 1 x`, '']) {
      await writeFile(lock, owner);
      const opened = await openIdentity(folder, 'identity', systemRandom);
      expect(opened.file).toBe(join(folder, 'identity.json'));
      await opened.close();
      expect(existsSync(lock)).toBe(false);
    }
  });

  it('NP38: a key file that holds no key is refused, never replaced', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'identity.json');
    await writeFile(file, '{"secretKey":"short"}');
    await expect(openIdentity(folder, 'identity', systemRandom)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('Delete it to get a new one'),
    });
    expect(await readFile(file, 'utf8')).toBe('{"secretKey":"short"}');
  });
});
