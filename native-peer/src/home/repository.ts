/**
 * The places beside the command itself. In a clone they are folders of the repository; the packed package brings its own.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file is compiled into another folder: the package is the first one above that describes itself. */
function packageFolder(file: string): string {
  const folder = dirname(file);
  return existsSync(join(folder, 'package.json')) ? folder : packageFolder(folder);
}

const own = packageFolder(fileURLToPath(import.meta.url));
const root = dirname(own);
const isClone = existsSync(join(root, 'shared/setup/build-web.mjs'));

export const repository = {
  /** Where the web app can be built; undefined outside a clone. */
  root: isClone ? root : undefined,
  /** The embedded models; every entry serves them at `/models/`. */
  models: isClone ? join(root, 'shared/models') : join(own, 'models'),
  /** The built web app. */
  web: isClone ? join(root, 'client/dist') : join(own, 'web'),
  cli: join(own, 'bin/tabmesh.js'),
  promptProcess: join(own, 'bin/prompt-process.js'),
} as const;
