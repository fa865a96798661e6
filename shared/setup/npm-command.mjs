/**
 * How npm is called. Its script is run by this very Node where it can be found, because on Windows `npm` is a batch file:
 * a shell would stand between, ask whether to end the batch job on Ctrl-C, and cut arguments at blanks.
 */
import { existsSync } from 'node:fs';
import { posix, win32 } from 'node:path';

export function npmCommand({
  platform = process.platform,
  execPath = process.execPath,
  environment = process.env,
  exists = existsSync,
} = {}) {
  const script = scriptOf(platform, execPath, environment, exists);
  if (script !== undefined) return { command: execPath, args: [script], shell: false };
  return { command: 'npm', args: [], shell: platform === 'win32' };
}

function scriptOf(platform, execPath, environment, exists) {
  const { basename, dirname, join } = platform === 'win32' ? win32 : posix;
  // npm names itself to the scripts that it runs; yarn and pnpm use the same variable.
  const running = environment.npm_execpath ?? '';
  if (/^npm(-cli)?\.js$/.test(basename(running))) return running;
  const modules = platform === 'win32' ? 'node_modules' : '../lib/node_modules';
  const beside = join(dirname(execPath), modules, 'npm/bin/npm-cli.js');
  return exists(beside) ? beside : undefined;
}
