/** A program to its end, with a home of its own and nothing of its user's. */
import { spawn } from 'node:child_process';

const TIMEOUT_MS = 240_000;

export async function runProgram(
  file: string,
  { args, environment }: { readonly args: readonly string[]; readonly environment: Readonly<Record<string, string>> },
  { home, work }: { readonly home: string; readonly work: string },
): Promise<{ readonly output: string; readonly status: number | string }> {
  const [command, ...before] = file.endsWith('.js') ? [process.execPath, file] : [file];
  const child = spawn(command ?? file, [...before, ...args], {
    cwd: work,
    env: { PATH: process.env.PATH, TMPDIR: home, ...homeVariables(home), CI: '1', NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ output, status: code ?? signal ?? 'no code' }));
  });
}

function homeVariables(home: string): Record<string, string> {
  return {
    HOME: home,
    USERPROFILE: home,
    XDG_CONFIG_HOME: `${home}/config`,
    XDG_DATA_HOME: `${home}/data`,
    XDG_CACHE_HOME: `${home}/cache`,
    XDG_STATE_HOME: `${home}/state`,
  };
}
