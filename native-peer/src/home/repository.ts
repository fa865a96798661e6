/**
 * The places beside the command itself. In a clone they are folders of the repository; of packed packages each brings its
 * own, and the web app may be missing.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { resolve } = createRequire(import.meta.url);

const beside = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const isClone = existsSync(beside('../shared/setup/build-web.mjs'));

export const repository = {
  /** Where the web app can be built; undefined outside a clone. */
  root: isClone ? beside('..') : undefined,
  /** The embedded models; every entry serves them at `/models/`. */
  models: join(dirname(resolve('@tabmesh/shared')), '../models'),
  /** The built web app; undefined where none can be. */
  web: isClone ? beside('../client/dist') : packedWeb(),
  cli: beside('bin/tabmesh.js'),
} as const;

function packedWeb(): string | undefined {
  try {
    return join(dirname(resolve('@tabmesh/client/package.json')), 'dist');
  } catch {
    return undefined;
  }
}
