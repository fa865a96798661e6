/** One run of npm that does not outlive this process, and that Ctrl-C ends at once. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { npmCommand } from './npm-command.mjs';

const NPM_PROCESS = fileURLToPath(new URL('npm-process.mjs', import.meta.url));
const WATCH_PARENT_MS = 500;

/** npm's exit code. Rejects with `InstallStopped` after Ctrl-C, when nothing of npm is left. */
export function runNpm(args, { cwd, npm = npmCommand() }) {
  const order = JSON.stringify({ ...npm, args: [...npm.args, ...args] });
  const child = fork(NPM_PROCESS, [order], {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
    // Out of reach of a terminal's Ctrl-C, which is for this process.
    detached: process.platform !== 'win32',
  });
  return new Promise((resolve, reject) => {
    let isStopped = false;
    const stop = () => {
      isStopped = true;
      if (child.connected) child.disconnect();
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, stop);
    const unwatch = watchParent(stop);
    const settle = (act) => {
      for (const signal of signals) process.off(signal, stop);
      unwatch();
      act();
    };
    child.once('error', (error) => settle(() => reject(error)));
    child.once('exit', (code) => settle(() => (isStopped ? reject(new InstallStopped()) : resolve(code ?? 1))));
  });
}

export class InstallStopped extends Error {
  exitCode = 130;

  constructor() {
    super('The installation was stopped. Start again: it begins anew, with what is downloaded already.');
  }
}

/**
 * A SIGTERM for an outer npm (`npm start`) ends that npm and its shell, which does not pass it on: all that can be seen of
 * it is another parent.
 */
function watchParent(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return () => {};
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) onGone();
  }, WATCH_PARENT_MS);
  return () => clearInterval(timer);
}
