/** Runs the project's own commands as a user would: a process, its lines, and signals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export const root = resolve(import.meta.dirname, '../..');

export interface Command extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Everything printed so far, both streams. */
  output(): string;
  /** The first match of a line, past or future. Rejects when the process ends without one. */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Exit code, or the signal that ended it. */
  exited(): Promise<number | NodeJS.Signals>;
}

/** `npx tabmesh …`, with a state folder of its own that goes with it. */
export function tabmesh(args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  return runNode([join(root, 'native-peer/bin/tabmesh.js'), ...args], env);
}

export function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  const home = mkdtempSync(join(tmpdir(), 'tabmesh-home-'));
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: 'true', TABMESH_HOME: home, TABMESH_THREADS: '1', ...env },
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  let ended: number | NodeJS.Signals | undefined;
  const wake = () => {
    for (const watcher of [...watchers]) watcher();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      wake();
    });
  }
  child.once('close', (code, signal) => {
    ended = code ?? signal ?? 1;
    wake();
  });

  /** Rejects with what was printed once the process is gone without having brought what was waited for. */
  const until = <Value>(find: () => Value | undefined, what: string): Promise<Value> =>
    new Promise((resolveFound, reject) => {
      const look = () => {
        const found = find();
        if (found === undefined && ended === undefined) return;
        watchers.delete(look);
        if (found !== undefined) resolveFound(found);
        else reject(new Error(`The process ended (${ended}) without ${what}:\n${lines.join('\n')}`));
      };
      watchers.add(look);
      look();
    });

  return {
    process: child,
    output: () => lines.join('\n'),
    line: (pattern) =>
      until(() => lines.map((line) => line.match(pattern)).find((match) => match !== null) ?? undefined, `${pattern}`),
    exited: () => until(() => ended, 'an exit code'),
    async [Symbol.asyncDispose]() {
      if (ended === undefined) {
        child.kill('SIGKILL');
        await once(child, 'close');
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
}
