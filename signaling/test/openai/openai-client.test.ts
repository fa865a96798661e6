import type { AddressInfo } from 'node:net';
import { MeshError, silentLogger, systemClock } from '@tabmesh/shared';
import type { FastifyInstance } from 'fastify';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh, JOB_ID, type ScriptStep } from '../setup/scripted-mesh.ts';

let app: FastifyInstance | undefined;
afterEach(async () => {
  await app?.close();
});

const ask = {
  model: 'mesh-tiny',
  messages: [{ role: 'user' as const, content: 'Hi' }],
};

describe("OpenAI's own client", () => {
  it('AP18: chats', async () => {
    const { openai } = await startServer();

    const { data, response } = await openai.chat.completions.create(ask).withResponse();

    expect(data.choices[0]?.message.content).toBe('Hello there');
    expect(data.usage?.total_tokens).toBe(7);
    expect(response.headers.get('x-tabmesh-job')).toBe(JOB_ID);
  });

  it('AP18: streams token by token, the first before the last is made', async () => {
    const gate = openableGate();
    const { openai } = await startServer([{ say: 'One' }, { wait: gate.opened }, { say: ' two' }]);

    const stream = await openai.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts: string[] = [];
    let totalTokens = 0;
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text) texts.push(text);
      if (text === 'One') gate.open();
      totalTokens += chunk.usage?.total_tokens ?? 0;
    }

    expect(texts).toEqual(['One', ' two']);
    expect(totalTokens).toBe(7);
  });

  it('AP18: its stream helper puts the message together', async () => {
    const { openai } = await startServer();

    expect(await openai.chat.completions.stream(ask).finalContent()).toBe('Hello there');
  });

  it('AP18: lists and retrieves models', async () => {
    const { openai } = await startServer();

    const models: string[] = [];
    for await (const model of openai.models.list()) models.push(model.id);

    expect(models).toEqual(['mesh-tiny']);
    expect((await openai.models.retrieve('mesh-tiny')).owned_by).toBe('tabmesh');
  });

  it('AP18: raises its own error classes', async () => {
    const { openai, mesh } = await startServer();

    await expect(openai.chat.completions.create({ ...ask, model: 'nothing-like-it' })).rejects.toThrow(
      OpenAI.NotFoundError,
    );
    await expect(openai.chat.completions.create({ ...ask, temperature: 3 })).rejects.toThrow(OpenAI.BadRequestError);
    mesh.script = [{ fail: MeshError.meshBusy(1_000) }];
    await expect(openai.chat.completions.create(ask)).rejects.toThrow(OpenAI.RateLimitError);
    mesh.script = [{ fail: MeshError.noPeerWithModel('mesh-tiny') }];
    await expect(openai.chat.completions.create(ask)).rejects.toThrow(OpenAI.InternalServerError);
  });

  it('AP18: raises an error that comes in the middle of a stream', async () => {
    const { openai } = await startServer([{ say: 'Half' }, { fail: MeshError.peerLost('gone') }]);

    const stream = await openai.chat.completions.create({
      ...ask,
      stream: true,
    });
    const drained = (async () => {
      for await (const _chunk of stream);
    })();

    await expect(drained).rejects.toMatchObject({ code: 'upstream_failed' });
  });
});

describe('a client that leaves', () => {
  it('AP19: cancels the job in the middle of a stream', async () => {
    const { openai, mesh } = await startServer([{ say: 'One' }, 'hang']);

    const stream = await openai.chat.completions.create({
      ...ask,
      stream: true,
    });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content === 'One') break;
    }

    await mesh.cancelled;
  });

  it.each([true, false])('AP19: cancels the job before its first token (stream: %s)', async (stream) => {
    const { url, mesh } = await startServer(['hang']);
    const abort = new AbortController();
    const reply = fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...ask, stream }),
      signal: abort.signal,
    });
    const aborted = expect(reply).rejects.toThrow('aborted');

    await mesh.asked;
    abort.abort();

    await aborted;
    await mesh.cancelled;
  });

  it('AP20: who does not read holds the mesh, not the memory of the entry', async () => {
    const chunk = 'x'.repeat(64 * 1024);
    const script: ScriptStep[] = Array.from({ length: 4_000 }, () => ({
      say: chunk,
    }));
    const { url, mesh } = await startServer(script);
    const abort = new AbortController();

    await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...ask, stream: true }),
      signal: abort.signal,
    });
    // A quarter of a gigabyte is due; by the time that another request is answered it would all have been taken.
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    expect(mesh.stepsTaken).toBeLessThan(script.length / 4);
    abort.abort();
    await mesh.cancelled;
  });
});

async function startServer(script?: readonly ScriptStep[]) {
  const mesh = createScriptedMesh(script);
  app = buildServer({
    mesh,
    version: 'test',
    clock: systemClock,
    logger: silentLogger,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return {
    mesh,
    url,
    openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
  };
}

function openableGate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
