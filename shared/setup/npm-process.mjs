/**
 * Runs npm and ends with whoever started this process: the channel between the two closes however the other end goes, by
 * Ctrl-C, by a closed terminal or by `kill -9`. An npm that lives on would work on the folder that the next start mends.
 */
import { spawn } from 'node:child_process';
import { endTree } from './end-tree.mjs';

const { command, args, shell } = JSON.parse(process.argv[2]);
const npm = spawn(command, args, {
  stdio: ['ignore', 'inherit', 'inherit'],
  shell,
  // A process group of its own; on Windows it would be a window of its own.
  detached: process.platform !== 'win32',
});
npm.once('error', (error) => {
  console.error(error.message);
  process.exit(127);
});
npm.once('exit', (code) => process.exit(code ?? 1));

// A terminal's Ctrl-C is for the other end, which closes the channel then. This process ends after npm, never before.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.once('disconnect', () => endTree(npm.pid));
