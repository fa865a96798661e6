/** Engines on servers of the test, and what is asked of them. */
import { type Engine, type EngineEvent, type GenerationRequest, systemClock } from '@tabmesh/shared';
import { onTestFinished } from 'vitest';
import { connectHttpEngine, type HttpEngineOptions } from '../../src/http-engine/connect-http-engine.ts';
import { type ModelHttpServer, startModelServer } from './model-http-server.ts';
import { startOllamaServer } from './ollama-server.ts';
import { MODEL_NAMES, type Program, startOpenAiServer } from './openai-server.ts';

export const never = () => new AbortController().signal;

/** Closed with the test, as what follows. */
export async function openServer(program: Program | 'ollama') {
  const server = await (program === 'ollama' ? startOllamaServer() : startOpenAiServer(program));
  onTestFinished(() => server.close());
  return server;
}

export async function connect(server: Pick<ModelHttpServer, 'url'>, options: Partial<HttpEngineOptions> = {}) {
  const engine = await connectHttpEngine(
    {
      kind: 'openai',
      url: server.url,
      key: undefined,
      name: MODEL_NAMES['llama-server'],
      slots: 4,
      contextTokens: undefined,
      clock: systemClock,
      ...options,
    },
    never(),
  );
  onTestFinished(() => engine.close());
  return engine;
}

export async function open(program: Program | 'ollama', options: Partial<HttpEngineOptions> = {}) {
  const server = await openServer(program);
  const own: Partial<HttpEngineOptions> =
    program === 'ollama' ? { kind: 'ollama', name: 'qwen3:8b' } : { name: MODEL_NAMES[program] };
  return { server, engine: await connect(server, { ...own, ...options }) };
}

/** A server whose answer is always these chunks. */
export async function openSaying(deltas: readonly object[]) {
  const server = await startModelServer({
    '/v1/models': (page) => page.json({ data: [{ id: 'fixed' }] }),
    '/v1/chat/completions': async (page) => {
      const write = page.stream('text/event-stream');
      for (const chunk of deltas) await write(`data: ${JSON.stringify(chunk)}\n\n`);
      page.end();
    },
  });
  onTestFinished(() => server.close());
  return connect(server, { name: 'fixed' });
}

export const delta = (content: object) => ({ choices: [{ index: 0, delta: content, finish_reason: null }] });
export const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };

export function ask(sampling: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    messages: [{ role: 'user', content: 'Tell me a story about a fox.' }],
    maxTokens: 64,
    temperature: 0,
    topP: 1,
    stop: [],
    ...sampling,
  };
}

export async function eventsOf(engine: Engine, request: GenerationRequest = ask()): Promise<EngineEvent[]> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(request, never())) events.push(event);
  return events;
}

export async function answerOf(engine: Engine, request: GenerationRequest = ask()) {
  const events = await eventsOf(engine, request);
  const last = events.at(-1);
  if (last?.type !== 'end') throw new Error('The answer has no end.');
  const tokens = events.filter((event) => event.type === 'tokens');
  return { ...last, text: tokens.map(({ text }) => text).join(''), tokens };
}
