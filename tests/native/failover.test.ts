/** A half-written answer outlives its peer: real models over real WebRTC, and processes that are really killed. */
import { join } from 'node:path';
import { type AnswerEvent, type CompletionRequest, type Engine, type Mesh, MeshError, ModelId } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import OpenAI from 'openai';
import { loadLlamaEngine } from 'tabmesh';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runNode } from '../setup/command.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const TINY = join(root, 'shared/models/mesh-tiny.gguf');
const model = ModelId.parse('mesh-tiny');
// The longest answer that the model has.
const messages = [{ role: 'user' as const, content: 'Tell me a little story about a fox.' }];
const request: CompletionRequest = { model, messages, temperature: 0 };

let entry: Entry;
let whole: Answer;

beforeAll(async () => {
  entry = await startTestEntry();
});

afterAll(() => entry?.close());

describe('an answer of native peers', () => {
  /** At this token whoever gives it fails, once. */
  let failAt: number | undefined;
  let members: Mesh[] = [];
  let engines: Engine[] = [];

  beforeAll(async () => {
    engines = await Promise.all([0, 1].map(() => loadLlamaEngine({ file: TINY, slots: 1, threads: 1, gpu: 'off' })));
    members = engines.map((engine) => startMember(entry.url, failing(engine)));
    await untilMesh(entry.mesh, () => entry.mesh.models()[0]?.peers.length === 2);
    whole = await ask(entry.mesh);
  });

  afterAll(async () => {
    await Promise.all(members.map((member) => member.close()));
    await Promise.all(engines.map((engine) => engine.close()));
    await untilMesh(entry.mesh, () => entry.mesh.models().length === 0);
  });

  function failing(engine: Engine): Engine {
    return {
      model: engine.model,
      onLost: (listener) => engine.onLost(listener),
      close: () => engine.close(),
      async *generate(asked, signal) {
        let given = asked.continues?.tokenCount ?? 0;
        for await (const event of engine.generate(asked, signal)) {
          yield event;
          if (event.type === 'tokens') given += event.tokenCount;
          if (failAt === undefined || given < failAt) continue;
          failAt = undefined;
          throw MeshError.engineFailed('the test wants it so');
        }
      },
    };
  }

  it('FO10: is the undisturbed one after a failure at every one of its tokens', { timeout: 180_000 }, async () => {
    expect(whole.tokenCount).toBeGreaterThan(50);
    for (let at = 1; at < whole.tokenCount; at += 1) {
      failAt = at;
      const answer = await ask(entry.mesh);
      expect(answer, `failed at token ${at}`).toEqual({ ...whole, peers: 2, continues: ['same-class'] });
    }
  });
});

describe('a client of the HTTP API', () => {
  it('FO11: notices nothing when the process that answers is killed', { timeout: 120_000 }, async () => {
    const peers = [0, 1].map(() =>
      runNode(['--import', 'tsx', join(root, 'tests/setup/paced-peer.ts'), entry.url, '15']),
    );
    try {
      const ids = await Promise.all(peers.map(async (peer) => (await peer.line(/^Serving as (\S+)/))[1] ?? ''));
      await untilMesh(entry.mesh, () => entry.mesh.models()[0]?.peers.length === 2);
      const client = new OpenAI({ baseURL: `${entry.url}/v1`, apiKey: 'none', maxRetries: 0 });
      const { data: stream, response } = await client.chat.completions
        .create({
          model,
          messages,
          temperature: 0,
          stream: true,
          stream_options: { include_usage: true },
        })
        .withResponse();
      const serving = ids.indexOf(response.headers.get('x-tabmesh-peer') ?? '');
      let text = '';
      let chunks = 0;
      let finish: string | null | undefined;
      let completionTokens: number | undefined;
      for await (const { choices, usage } of stream) {
        text += choices[0]?.delta.content ?? '';
        finish = choices[0]?.finish_reason ?? finish;
        completionTokens = usage?.completion_tokens ?? completionTokens;
        chunks += 1;
        if (chunks === 30) peers[serving]?.process.kill('SIGKILL');
      }
      expect({ text, finish, completionTokens }).toEqual({
        text: whole.text,
        finish: 'stop',
        completionTokens: whole.completionTokens,
      });
      expect(await peers[serving]?.exited()).not.toBe(0);
    } finally {
      for (const peer of peers) await peer[Symbol.asyncDispose]();
    }
  });
});

interface Answer {
  readonly text: string;
  readonly tokenCount: number;
  readonly reason: string | undefined;
  readonly completionTokens: number | undefined;
  readonly peers: number;
  /** Of all routes but the first. */
  readonly continues: readonly (string | null)[];
}

async function ask(mesh: Mesh): Promise<Answer> {
  const events: AnswerEvent[] = [];
  for await (const event of mesh.complete(request, new AbortController().signal)) events.push(event);
  const routes = events.filter((event) => event.type === 'route');
  const tokens = events.filter((event) => event.type === 'tokens');
  const end = events.find((event) => event.type === 'end');
  return {
    text: tokens.map(({ text }) => text).join(''),
    tokenCount: tokens.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
    reason: end?.reason,
    completionTokens: end?.usage.completionTokens,
    peers: routes.length,
    continues: routes.slice(1).map(({ continues }) => continues),
  };
}
