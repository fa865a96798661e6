/** What the mesh is told of who asks through the entry. */
import { type EmbedRequest, silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { accessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';

const bodies = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'Hi' }] },
  '/api/chat': { messages: [{ role: 'user', content: 'Hi' }] },
  '/v1/completions': { prompt: 'Hi' },
  '/v1/responses': { input: 'Hi' },
  '/v1/embeddings': { input: 'Hi' },
};
const urls = Object.keys(bodies) as (keyof typeof bodies)[];

function start(keys = '') {
  const mesh = createScriptedMesh();
  const embeddings: EmbedRequest[] = [];
  mesh.embed = async (request) => {
    embeddings.push(request);
    return { model: mesh.models()[0]?.id ?? raise(), peerId: mesh.servedBy, vectors: [], promptTokens: 0 };
  };
  const access = accessSettings(keys === '' ? {} : { keys });
  const app = buildServer({ mesh, version: 'test', clock: new ManualClock(), logger: silentLogger, access });
  const ask = (url: keyof typeof bodies, remoteAddress: string, headers: Record<string, string> = {}) =>
    app.inject({ method: 'POST', url, payload: bodies[url], remoteAddress, headers });
  const last = () => embeddings.pop() ?? mesh.requests.at(-1);
  return { ask, last, mesh };
}

function raise(): never {
  throw new Error('The scripted mesh serves nothing.');
}

describe('a request to an entry', () => {
  it.each(urls)('AP30: comes from %s with a word for its client that hides the address', async (url) => {
    const { ask, last } = start();
    const words: (string | undefined)[] = [];
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) {
      expect((await ask(url, address)).statusCode).toBe(200);
      words.push(last()?.client);
    }
    expect(words[0]).toMatch(/^[\w-]{16}$/);
    expect(words[1]).not.toBe(words[0]);
    expect(words[2]).toBe(words[0]);
  });

  it('AP30: is one client with all addresses of its IPv6 network, which could be as many as it likes', async () => {
    const { ask, last } = start();
    const words = new Set<string | undefined>();
    for (const address of ['2001:db8::1', '2001:db8::ffff:2', '2001:DB8:0:0:1::3']) {
      await ask('/v1/chat/completions', address);
      words.add(last()?.client);
    }
    expect(words.size).toBe(1);
    await ask('/v1/chat/completions', '2001:db8:0:1::1');
    expect(words).not.toContain(last()?.client);
  });

  it('AP30: is told by its key where there are keys, wherever it comes from', async () => {
    const [alice, bob] = ['alice-k9x8w7v6u5t4s3r2', 'bob-k9x8w7v6u5t4s3r2'];
    const { ask, last } = start(`alice:${alice},bob:${bob}`);
    const wordOf = async (key: string, address: string) => {
      await ask('/v1/chat/completions', address, { authorization: `Bearer ${key}` });
      return last()?.client;
    };
    const word = await wordOf(alice, '192.0.2.1');
    expect(await wordOf(bob, '192.0.2.1')).not.toBe(word);
    expect(await wordOf(alice, '192.0.2.2')).toBe(word);
  });

  it.each(urls)('AP31: to %s may have a deadline, which makes sense or is refused', async (url) => {
    const { ask, last, mesh } = start();
    await ask(url, '192.0.2.1');
    expect(last()?.deadlineMs).toBeUndefined();
    await ask(url, '192.0.2.1', { 'x-tabmesh-deadline-ms': '1500' });
    expect(last()?.deadlineMs).toBe(1_500);
    const asked = mesh.requests.length;
    for (const wrong of ['0', '-1', '1.5', '1e3', 'soon', '600001', '']) {
      const reply = await ask(url, '192.0.2.1', { 'x-tabmesh-deadline-ms': wrong });
      expect(reply.statusCode).toBe(400);
      expect(reply.json().error).toMatchObject({ code: 'invalid_request', param: 'x-tabmesh-deadline-ms' });
    }
    expect(mesh.requests).toHaveLength(asked);
  });
});
