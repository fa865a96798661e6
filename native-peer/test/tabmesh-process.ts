/** The `tabmesh` command as a user runs it: a process of its own with a home of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const SCRIPT = fileURLToPath(new URL('../bin/tabmesh.js', import.meta.url));

export interface TabmeshProcess {
  readonly child: ChildProcess;
  /** Resolves with the match once stdout has it; rejects when the process ends before. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the process and every child that shares its output are gone. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

export function startTabmesh(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  stdio: 'plain' | 'ipc' = 'plain',
): TabmeshProcess {
  const child = spawn(process.execPath, [SCRIPT, ...args], {
    env: { PATH: process.env.PATH ?? '', CI: '1', TABMESH_LOG: 'warn', TABMESH_THREADS: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(stdio === 'ipc' ? (['ipc'] as const) : [])],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    for (const watch of [...watchers]) watch();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    child,
    ended,
    prints(pattern) {
      return new Promise((resolve, reject) => {
        const watch = () => {
          const match = pattern.exec(stdout);
          if (match === null) return;
          watchers.delete(watch);
          resolve(match);
        };
        watchers.add(watch);
        void ended.then(({ code }) =>
          reject(new Error(`tabmesh ended (${code}) before ${pattern}: ${stdout}${stderr}`)),
        );
        watch();
      });
    },
  };
}

export async function chat(url: string, content: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mesh-tiny', temperature: 0, messages: [{ role: 'user', content }] }),
  });
  const body: { choices?: { message: { content: string } }[] } = await response.json();
  return { status: response.status, text: body.choices?.[0]?.message.content ?? '' };
}
