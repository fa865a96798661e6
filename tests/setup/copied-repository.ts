/** The repository in another folder, with the packages of others as links to the ones that are here. */
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { root } from './command.ts';

const OWN = ['shared', 'signaling', 'client', 'native-peer'];
/** The set-up reads them, and runs nothing of the tests. */
const FILES = ['package.json', 'package-lock.json', 'tests/package.json', 'node_modules/.package-lock.json'];

export function copyRepository(folder: string): void {
  const isOwn = (path: string) => !['node_modules', 'dist'].includes(basename(path));
  for (const workspace of OWN)
    cpSync(join(root, workspace), join(folder, workspace), { recursive: true, filter: isOwn });
  for (const file of FILES) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file));
  }
  const modules = join(folder, 'node_modules');
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.') && !['@tabmesh', 'tabmesh'].includes(name)) link(join(root, 'node_modules', name), name);
  }
  for (const workspace of ['shared', 'signaling', 'client', 'tests'])
    link(join(folder, workspace), `@tabmesh/${workspace}`);
  link(join(folder, 'native-peer'), 'tabmesh');
  for (const workspace of OWN) {
    const nested = join(root, workspace, 'node_modules');
    if (readdirSync(join(root, workspace)).includes('node_modules')) {
      symlinkSync(nested, join(folder, workspace, 'node_modules'), 'junction');
    }
  }

  function link(target: string, name: string): void {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(target, join(modules, name), 'junction');
  }
}
