/**
 * Whether llama.cpp is here, asked before anything of it is loaded: npm passes over the packages of a platform without a
 * word, and everything but models of one's own works without them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { typedCommandFor } from '@tabmesh/shared/setup/install-command';
import { llamaPackage } from '@tabmesh/shared/setup/llama-package';
import { type Machine, thisMachine } from '@tabmesh/shared/setup/machine';
import { repository } from '../home/repository.ts';

const { resolve } = createRequire(import.meta.url);

/** One sentence with the next step, or undefined when it is here. */
export function missingLlama(machine: Machine = thisMachine()): string | undefined {
  const library = join(dirname(resolve('node-llama-cpp')), '..');
  // What somebody compiled with node-llama-cpp's own command goes before anything ready-made.
  if (existsSync(join(library, 'llama/localBuilds'))) return undefined;
  const name = llamaPackage(machine);
  if (name === undefined) {
    const system = [machine.platform, machine.arch, machine.libc].filter((part) => part !== undefined).join(' ');
    return `There is no ready-made llama.cpp for ${system}: build one with npx node-llama-cpp source download.`;
  }
  if (resolves(name)) return undefined;
  const { version } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8'));
  const wanted = `${name}@${version}`;
  const command =
    repository.root === undefined
      ? `npm install --no-save ${wanted}`
      : typedCommandFor(wanted, repository.root, machine);
  return `llama.cpp is missing, because npm could not get it or was told to leave it out: ${command}`;
}

function resolves(name: string): boolean {
  try {
    resolve(name);
    return true;
  } catch {
    return false;
  }
}
