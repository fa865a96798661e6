/** A program of npm's in a folder of its own, beside the packages of this repository and not among them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { npmCommand } from '../../shared/setup/npm-command.mjs';
import type { Agent } from './agents.ts';

/** The registry has it not, or not for this machine. */
export class NotInstalled extends Error {}

/** The program's file. @throws NotInstalled */
export function install({ package: name, programs }: Agent, folder: string): string {
  const found = () => programs.map((program) => join(folder, 'node_modules', program)).find((file) => existsSync(file));
  const there = found();
  if (there !== undefined) return there;
  mkdirSync(folder, { recursive: true });
  const { command, args, shell } = npmCommand();
  const options = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, stderr } = spawnSync(command, [...args, 'install', `${name}@latest`, ...options], {
    cwd: folder,
    shell,
    encoding: 'utf8',
  });
  const installed = found();
  if (status === 0 && installed !== undefined) return installed;
  const reason = status === 0 ? 'its package has no program for this machine' : stderr.trim().split('\n')[0];
  throw new NotInstalled(`${name} can't be installed here (${reason}). Try it where npm's registry is in reach.`);
}
