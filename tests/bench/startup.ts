/**
 * What it costs to have the command, the entry and a peer running: the time until they are there, and the memory that they
 * hold when nobody asks. Beside it Node alone, the libraries alone, and the same sources translated by tsx at run time, which
 * is how it was until it was compiled.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { ensureWebBuilt } from '../../shared/setup/build-web.mjs';
import { npmCommand } from '../../shared/setup/npm-command.mjs';
import './peers/compiled.ts';
import { type BenchContext, type Benchmark, type Result, type Target, toResult } from './run/benchmark.ts';
import { inTurn, median } from './run/statistics.ts';

const HELP_ROUNDS = 9;
const START_ROUNDS = 3;
/** By then the collector has been through what a start leaves behind. */
const SETTLE_MS = 5_000;
const READY = /^TabMesh ready: (\S+)/;
const SERVING = /^Serving /;

const atMost = (limit: number): Target => ({ of: 'value', bound: 'at most', limit });

export const benchmark: Benchmark = {
  name: 'startup',
  describe: 'ms of --help and of a second npm start, MB of an idle entry and of a peer beside a model of 5 MB',
  async run(context) {
    await ensureWebBuilt(context.root);
    const home = await mkdtemp(join(tmpdir(), 'tabmesh-bench-startup-'));
    context.onEnd(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
    const programs = openPrograms(context, home);
    return [
      ...(await help(context, programs)),
      await secondStart(context, programs),
      ...(await memory(context, programs)),
    ];
  },
};

/** As a terminal's Ctrl-C, which reaches the whole group: npm does not pass it on. */
function interrupt({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGINT');
}

interface Running {
  /** Of the process that was started. */
  readonly pid: number;
  readonly startedMs: number;
  readonly match: string;
  end(): Promise<void>;
}

interface Programs {
  /** Until a line matches; `startedMs` is the time that took. */
  start(command: string, args: readonly string[], line: RegExp): Promise<Running>;
  /** Until it has ended. */
  runMs(args: readonly string[]): Promise<number>;
  compiled(...args: string[]): string[];
  translated(...args: string[]): string[];
}

function openPrograms({ root, signal, onEnd }: BenchContext, home: string): Programs {
  const running = new Set<ChildProcess>();
  const spawnIn = (command: string, args: readonly string[]) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      env: {
        ...process.env,
        CI: '1',
        PORT: '0',
        TABMESH_HOME: home,
        TABMESH_LOG: 'error',
        npm_config_update_notifier: 'false',
      },
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    return child;
  };
  const ended = (child: ChildProcess) =>
    child.exitCode === null && child.signalCode === null
      ? new Promise<void>((resolve) => child.once('exit', () => resolve()))
      : Promise.resolve();
  onEnd(async () => {
    for (const child of running) interrupt(child);
    await Promise.all([...running].map(ended));
  });
  return {
    start(command, args, line) {
      const startMs = performance.now();
      const child = spawnIn(command, args);
      return new Promise((resolve, reject) => {
        const onAbort = () => reject(signal.reason);
        signal.addEventListener('abort', onAbort);
        child.once('exit', () => signal.removeEventListener('abort', onAbort));
        child.once('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}.`)));
        createInterface({ input: child.stdout }).on('line', (text) => {
          const match = line.exec(text);
          if (match === null) return;
          resolve({
            pid: child.pid ?? 0,
            startedMs: performance.now() - startMs,
            match: match[1] ?? '',
            async end() {
              interrupt(child);
              await ended(child);
            },
          });
        });
      });
    },
    async runMs(args) {
      const startMs = performance.now();
      const child = spawnIn(process.execPath, args);
      child.stdout.resume();
      await ended(child);
      return performance.now() - startMs;
    },
    compiled: (...args) => [join(root, 'native-peer/bin/tabmesh.js'), ...args],
    translated: (...args) => ['--import', 'tsx', join(root, 'tests/bench/peers/translated-command.ts'), ...args],
  };
}

async function help({ signal, progress }: BenchContext, programs: Programs): Promise<Result[]> {
  progress('tabmesh --help');
  const bareMs: number[] = [];
  const rounds = await inTurn({
    rounds: HELP_ROUNDS,
    warmUps: 1,
    signal,
    ours: () => programs.runMs(programs.compiled('--help')),
    async rivals() {
      bareMs.push(await programs.runMs(['-e', '0']));
      return programs.runMs(programs.translated('--help'));
    },
  });
  const ours = { name: 'tabmesh --help', value: median(rounds.ours), unit: 'ms' };
  return [
    toResult({ ...ours, rival: { name: 'the same by tsx', value: median(rounds.rivals) }, target: atMost(300) }),
    toResult({ ...ours, rival: { name: 'node -e 0', value: median(bareMs) } }),
  ];
}

/** npm's own half second included. The rival's native peer is a compiled one: that is as far as it can be had. */
async function secondStart({ signal, progress }: BenchContext, programs: Programs): Promise<Result> {
  progress('npm start');
  const { command, args } = npmCommand();
  const timed = async (program: string, given: readonly string[]) => {
    const started = await programs.start(program, given, READY);
    await started.end();
    return started.startedMs;
  };
  const rounds = await inTurn({
    rounds: START_ROUNDS,
    warmUps: 1,
    signal,
    ours: () => timed(command, [...args, 'start', '--', '--no-open']),
    rivals: () => timed(process.execPath, programs.translated('up', '--no-open')),
  });
  return toResult({
    name: 'a second npm start, to its ready line',
    value: median(rounds.ours),
    unit: 'ms',
    rival: { name: 'up alone, by tsx', value: median(rounds.rivals) },
    target: atMost(2_500),
  });
}

async function memory({ progress }: BenchContext, programs: Programs): Promise<Result[]> {
  progress('memory of what is idle');
  const settled = async (started: Running, of = (pid: number) => pid) => {
    await setTimeout(SETTLE_MS);
    const megabytes = megabytesOf(of(started.pid));
    await started.end();
    return megabytes;
  };
  const node = process.execPath;
  const idle = (source: string) =>
    programs.start(node, ['-e', `${source}; setInterval(() => {}, 1e6); console.log('up')`], /up/);
  const bare = await settled(await idle('0'));
  const libraries = await settled(await idle(LIBRARIES));
  const translated = await settled(await programs.start(node, programs.translated('entry'), READY));
  const entry = await settled(await programs.start(node, programs.compiled('entry'), READY));
  const ofUp = await settled(await programs.start(node, programs.compiled('up', '--no-open'), READY), childOf);

  const server = await programs.start(node, programs.compiled('entry'), READY);
  const serve = ['serve', 'mesh-tiny', '--join', server.match];
  const alone = await settled(await programs.start(node, programs.compiled(...serve), SERVING));
  const translatedPeer = await settled(await programs.start(node, programs.translated(...serve), SERVING));
  await server.end();

  const tsx = (value: number) => ({ name: 'the same by tsx', value });
  const nodeAlone = { name: 'node alone', value: bare };
  const entryResult = { name: 'an idle entry', value: entry, unit: 'MB' };
  return [
    toResult({ ...entryResult, rival: tsx(translated), target: atMost(80) }),
    toResult({ ...entryResult, rival: { name: 'fastify and socket.io alone', value: libraries } }),
    toResult({ ...entryResult, rival: nodeAlone }),
    toResult({
      name: 'the peer of npm start beside mesh-tiny',
      value: ofUp,
      unit: 'MB',
      rival: nodeAlone,
      target: atMost(150),
    }),
    toResult({
      name: 'tabmesh serve mesh-tiny by itself',
      value: alone,
      unit: 'MB',
      rival: tsx(translatedPeer),
      target: atMost(150),
    }),
  ];
}

/** As npm has them, without anything of ours. */
const LIBRARIES = `
  const at = require('node:module').createRequire(process.cwd() + '/signaling/src/entry.ts');
  const app = at('fastify')();
  new (at('socket.io').Server)(app.server);
  app.get('/', () => 'hello');
  app.listen({ port: 0 })`;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly kilobytes: number;
}

function processes(): Process[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,rss='], { encoding: 'utf8' });
  return table.split('\n').map((line) => {
    const [pid = 0, parent = 0, kilobytes = 0] = line.trim().split(/\s+/).map(Number);
    return { pid, parent, kilobytes };
  });
}

function megabytesOf(pid: number): number {
  const found = processes().find((one) => one.pid === pid);
  if (found === undefined) throw new Error(`The process ${pid} is gone.`);
  return (found.kilobytes * 1024) / 1e6;
}

function childOf(pid: number): number {
  const children = processes().filter((one) => one.parent === pid);
  return children.sort((one, other) => other.kilobytes - one.kilobytes)[0]?.pid ?? 0;
}
