/**
 * `npm run test:llama-server -- --server FILE`: the engine contract over HTTP against llama.cpp's own server, with the
 * embedded model. Building that server takes minutes, so this is no part of `npm test`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Engine, type EngineEvent, MeshError, systemClock } from '@tabmesh/shared';
import { connectHttpEngine } from 'tabmesh';
import { engineContract } from '../../shared/src/testing/engine-contract.ts';

const USAGE = `npm run test:llama-server -- --server FILE [options]

  --server FILE   llama-server, of a version near the one in node-llama-cpp
  --verbose       print what the server logs`;

const MODEL = resolve(import.meta.dirname, '../../shared/models/mesh-tiny.gguf');

const { values } = parseArgs({
  options: {
    server: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(USAGE);
else if (values.server === undefined) console.log(`Skipped: there is no llama-server to run. Name one:\n\n${USAGE}`);
else {
  process.exitCode = await run(values.server).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  });
}

async function run(file: string): Promise<number> {
  const port = await freePort();
  const server = await startServer(file, port);
  const failures: string[] = [];
  const check = async (title: string, work: () => Promise<void>) => {
    try {
      await work();
      console.log(`  passed  ${title}`);
    } catch (error) {
      failures.push(title);
      console.log(`  FAILED  ${title}\n          ${error instanceof Error ? error.message : error}`);
    }
  };
  try {
    const connect = () =>
      connectHttpEngine(
        {
          kind: 'openai',
          url: `http://127.0.0.1:${port}`,
          key: undefined,
          name: 'mesh-tiny',
          slots: 4,
          contextTokens: undefined,
          clock: systemClock,
        },
        AbortSignal.timeout(60_000),
      );
    const engine = await connect();
    console.log(engine.model);
    const subject = {
      engine,
      longPrompt: 'Tell me a story about a fox.',
      prompts: ['What is a mesh?', 'Count to five.', 'What is the capital of France?'],
      // Of mesh-tiny's answer.
      firstTokenId: 537,
    };
    for (const { rule, title, run: runCase } of engineContract) {
      await check(`${rule}: ${title}`, () => runCase(subject));
    }
    const last = await connect();
    await check('a cancelled answer leaves no slot busy', () => cancelled(last, port));
    await check('a killed server loses the engine', () => killed(last, server));
    await last.close();
  } finally {
    server.kill('SIGKILL');
  }
  console.log(`\n${failures.length === 0 ? 'All passed' : `${failures.length} failed`}`);
  return failures.length === 0 ? 0 : 1;
}

async function cancelled(engine: Engine, port: number): Promise<void> {
  for await (const _ of stories(engine)) break;
  for (;;) {
    const slots: { is_processing: boolean }[] = await (await fetch(`http://127.0.0.1:${port}/slots`)).json();
    if (slots.every((slot) => !slot.is_processing)) return;
  }
}

async function killed(engine: Engine, server: ChildProcess): Promise<void> {
  const lost = new Promise<Error>((resolve) => {
    engine.onLost(resolve);
  });
  const failure = await (async () => {
    for await (const _ of stories(engine)) server.kill('SIGKILL');
  })().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!MeshError.is(failure, 'engine_failed')) throw new Error(`It ended with ${failure} instead of engine_failed.`);
  await lost;
}

function stories(engine: Engine): AsyncIterable<EngineEvent> {
  const messages = [{ role: 'user', content: 'Tell me a story about a fox.' }] as const;
  // Long enough not to be over by itself.
  const bias = { '2': -100, '3': -100 };
  return engine.generate(
    { messages, maxTokens: 900, temperature: 1, topP: 1, stop: [], logitBias: bias },
    new AbortController().signal,
  );
}

async function startServer(file: string, port: number): Promise<ChildProcess> {
  const args = [
    '--model',
    MODEL,
    '--alias',
    'mesh-tiny',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--threads',
    '1',
  ];
  // With embeddings it answers chats as well; they are right only with the one cache for all.
  const abilities = [
    '--parallel',
    '4',
    '--ctx-size',
    '4096',
    '--slots',
    '--embeddings',
    '--pooling',
    'mean',
    '--kv-unified',
  ];
  const server = spawn(file, [...args, ...abilities], {
    stdio: ['ignore', values.verbose ? 'inherit' : 'ignore', values.verbose ? 'inherit' : 'ignore'],
  });
  const ended = once(server, 'exit').then(() => {
    throw new Error(`${file} ended before it was ready. --verbose shows why.`);
  });
  const ready = async () => {
    while (server.exitCode === null) {
      const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
      if (response?.ok === true) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await Promise.race([ready(), ended]);
  ended.catch(() => {});
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
