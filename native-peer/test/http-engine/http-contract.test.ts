/** The engine contract over HTTP, against servers with the shapes of the real ones. */
import { systemClock } from '@tabmesh/shared';
import { afterAll } from 'vitest';
import { describeEngineContract } from '../../../shared/src/testing/describe-engine-contract.ts';
import { connectHttpEngine, type HttpEngineKind } from '../../src/http-engine/connect-http-engine.ts';
import type { ModelHttpServer } from './model-http-server.ts';
import { startOllamaServer } from './ollama-server.ts';
import { MODEL_NAMES, startOpenAiServer } from './openai-server.ts';

const servers: ModelHttpServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.close())));

async function subject(kind: HttpEngineKind, server: ModelHttpServer, name: string) {
  servers.push(server);
  const { url } = server;
  const engine = await connectHttpEngine(
    { kind, url, key: undefined, name, slots: 4, contextTokens: 512, clock: systemClock },
    new AbortController().signal,
  );
  return {
    engine,
    longPrompt: 'Tell me a story about a fox.',
    prompts: ['What is a mesh?', 'Count to five.', 'What is the capital of France?'],
  };
}

for (const program of ['llama-server', 'vllm', 'lm-studio'] as const) {
  describeEngineContract(`HTTP, ${program}`, async () =>
    subject('openai', await startOpenAiServer(program), MODEL_NAMES[program]),
  );
}

describeEngineContract('HTTP, Ollama', async () => subject('ollama', await startOllamaServer(), 'qwen3:8b'));
