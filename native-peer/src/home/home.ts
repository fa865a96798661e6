/** Where a native peer keeps its state: keys, models, hashes, baselines. */
import { access, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { MeshError } from '@tabmesh/shared';

export interface Home {
  readonly path: string;
  readonly modelsPath: string;
  readonly hashCacheFile: string;
  readonly baselineFile: string;
  /** Where each downloaded model came from. */
  readonly downloadsFile: string;
  /** How fast this machine is, and what its models reached. */
  readonly speedFile: string;
}

/** `TABMESH_HOME`, else `~/.tabmesh`. */
export function homePath(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment.TABMESH_HOME;
  return named === undefined || named === '' ? join(homedir(), '.tabmesh') : resolve(named);
}

/**
 * Creates what is missing.
 * @throws MeshError `home_not_writable`
 */
export async function openHome(path: string): Promise<Home> {
  const home = {
    path,
    modelsPath: join(path, 'models'),
    hashCacheFile: join(path, 'hashes.json'),
    baselineFile: join(path, 'baselines.json'),
    downloadsFile: join(path, 'downloads.json'),
    speedFile: join(path, 'speed.json'),
  };
  try {
    // Keys and counts of its user; what is there already keeps the mode that it was given.
    await mkdir(home.modelsPath, { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK);
    await access(home.modelsPath, constants.W_OK);
  } catch (cause) {
    throw new MeshError(
      'home_not_writable',
      `TabMesh can't write to ${path}. Make it writable or name another folder: TABMESH_HOME=/some/folder`,
      { cause },
    );
  }
  return home;
}
