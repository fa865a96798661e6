/**
 * The other processes of a benchmark. Each runs one TypeScript file that answers named calls (`answerCalls`) over Node's
 * own IPC channel; the channel's end ends the process, so that none survives this one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a process can be asked: plain data in, plain data out. */
export type Calls = Record<string, (argument: never) => unknown>;

export interface Child<Api extends Calls> {
  readonly pid: number;
  /** Rejects with the process's error, or when it ends before it answers. */
  call<Name extends keyof Api & string>(
    name: Name,
    argument: Parameters<Api[Name]>[0],
  ): Promise<Awaited<ReturnType<Api[Name]>>>;
  /** SIGKILL: it gets no chance to say goodbye. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** Lets it end by itself, which writes its `--cpu-prof`; kills it when it hangs. Idempotent. */
  close(): Promise<void>;
}

export interface Children {
  /** `file` as a URL: `new URL('./peers/provider-process.ts', import.meta.url)`. */
  start<Api extends Calls>(file: URL): Promise<Child<Api>>;
  /** Ends all that are left. Idempotent. */
  close(): Promise<void>;
}

export type CallMessage = { readonly id: number; readonly name: string; readonly argument: unknown };
export type ReplyMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

export function createChildren(): Children {
  const running = new Set<ChildProcess>();
  return {
    async start(file) {
      // The flags of this process go along: tsx, and `--cpu-prof` when somebody looks for time.
      const child = fork(fileURLToPath(file), { serialization: 'advanced' });
      running.add(child);
      child.once('exit', () => running.delete(child));
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      return connect(child);
    },
    async close() {
      await Promise.all([...running].map(close));
    },
  };
}

function connect<Api extends Calls>(child: ChildProcess): Child<Api> {
  const waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  let lastId = 0;
  child.on('message', (reply: ReplyMessage) => {
    const call = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('error' in reply) call?.reject(new Error(reply.error));
    else call?.resolve(reply.result as never);
  });
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`A process ended early (${signal ?? code}).`));
    waiting.clear();
  });
  return {
    pid: child.pid ?? 0,
    call: (name, argument) =>
      new Promise((resolve, reject) => {
        lastId += 1;
        waiting.set(lastId, { resolve, reject });
        child.send({ id: lastId, name, argument } satisfies CallMessage, (error) => {
          if (error !== null) reject(error);
        });
      }),
    kill: () => kill(child),
    close: () => close(child),
  };
}

/** WebRTC's threads hang at exit now and then. */
const EXIT_MS = 3_000;

async function close(child: ChildProcess): Promise<void> {
  if (child.connected) child.disconnect();
  const limit = setTimeout(() => child.kill('SIGKILL'), EXIT_MS);
  await ended(child);
  clearTimeout(limit);
}

function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  return ended(child);
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}
