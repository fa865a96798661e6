/** A half-written answer outlives its peer: real models over real WebRTC, and processes that are really killed. */
import { join } from 'node:path';
import type { Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import OpenAI from 'openai';
import { loadLlamaEngine } from 'tabmesh';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BreakableEngine } from '../setup/breakable-engine.ts';
import { type Command, root, runNode } from '../setup/command.ts';
import { type HundredTokens, hundredTokens, TOKENS, takeHundredTokens } from '../setup/hundred-tokens.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const TOKEN_INTERVAL_MS = 15;
/** Chunks that a client has read when something happens to the process that answers. */
const DISTURBED_AT = 30;

let entry: Entry;
let whole: HundredTokens;

beforeAll(async () => {
  entry = await startTestEntry();
});

afterAll(() => entry?.close());

describe('an answer of native peers', () => {
  let members: Mesh[] = [];
  let engines: BreakableEngine[] = [];

  beforeAll(async () => {
    const file = join(root, 'shared/models/mesh-tiny.gguf');
    engines = await Promise.all(
      [0, 1].map(async () => new BreakableEngine(await loadLlamaEngine({ file, slots: 1, threads: 1, gpu: 'off' }))),
    );
    members = engines.map((engine) => startMember(entry.url, engine));
    await untilMesh(entry.mesh, () => entry.mesh.models()[0]?.peers.length === 2);
    whole = await takeHundredTokens(entry.mesh);
  });

  afterAll(async () => {
    await Promise.all(members.map((member) => member.close()));
    await Promise.all(engines.map((engine) => engine.close()));
    await untilMesh(entry.mesh, () => entry.mesh.models().length === 0);
  });

  it('FO10: is the undisturbed one after a failure at every one of its 100 tokens', { timeout: 600_000 }, async () => {
    expect(whole).toMatchObject({ tokenCount: TOKENS, completionTokens: TOKENS, reason: 'length', handovers: [] });
    for (let at = 1; at < TOKENS; at += 1) {
      for (const engine of engines) engine.breaks = { at, how: 'fails' };
      const answer = await takeHundredTokens(entry.mesh);
      expect(answer, `failed at token ${at}`).toEqual({ ...whole, handovers: [{ behind: at, to: 'same-class' }] });
    }
  });
});

describe('a client of the HTTP API notices nothing', { timeout: 300_000 }, () => {
  it('FO11: when the process that answers is killed', async () => {
    await disturbed(async (peer) => {
      peer.process.kill('SIGKILL');
      expect(await peer.exited()).not.toBe(0);
    });
  });

  it('FO15: but a pause when that process hangs, nor that it wakes', async () => {
    await disturbed(
      async (peer) => void peer.process.kill('SIGSTOP'),
      (peer) => void peer.process.kill('SIGCONT'),
    );
  });

  it('FO16: when that process is told to stop, which then ends', async () => {
    await disturbed(async (peer) => {
      peer.process.kill('SIGTERM');
      expect(await peer.exited()).toBe(0);
    });
  });

  it('FO17: when the engine that answers fails', async () => {
    await disturbed(async (peer) => void peer.process.kill('SIGUSR2'));
  });
});

/** Asks for the answer and does something to the process that gives it, and something else once it goes on. */
async function disturbed(
  disturb: (peer: Command) => Promise<void>,
  undo: (peer: Command) => void = () => {},
): Promise<void> {
  const peers = [0, 1].map(() =>
    runNode(['--import', 'tsx', join(root, 'tests/setup/paced-peer.ts'), entry.url, `${TOKEN_INTERVAL_MS}`]),
  );
  try {
    const ids = await Promise.all(peers.map(async (peer) => (await peer.line(/^Serving as (\S+)/))[1] ?? ''));
    await untilMesh(entry.mesh, () => entry.mesh.models()[0]?.peers.length === 2);
    const client = new OpenAI({ baseURL: `${entry.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const { model, messages, temperature, maxTokens, logitBias } = hundredTokens();
    const { data: stream, response } = await client.chat.completions
      .create({
        model,
        messages,
        temperature,
        max_tokens: maxTokens,
        logit_bias: logitBias,
        stream: true,
        stream_options: { include_usage: true },
      })
      .withResponse();
    const serving = peers[ids.indexOf(response.headers.get('x-tabmesh-peer') ?? '')];
    if (serving === undefined) throw new Error('Nobody that is known here answers.');
    let text = '';
    let chunks = 0;
    let finish: string | null | undefined;
    let completionTokens: number | undefined;
    let disturbance: Promise<void> | undefined;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? '';
      finish = choices[0]?.finish_reason ?? finish;
      completionTokens = usage?.completion_tokens ?? completionTokens;
      chunks += 1;
      if (chunks === DISTURBED_AT) disturbance = disturb(serving);
      // A few that were under way still came; these are the other's.
      if (chunks === DISTURBED_AT + 20) undo(serving);
    }
    expect({ text, finish, completionTokens }).toEqual({
      text: whole.text,
      finish: 'length',
      completionTokens: TOKENS,
    });
    await disturbance;
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}
