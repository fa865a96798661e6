/** Prompts that wait for a peer which never answers. */
import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { accessSettings } from '../../src/access/access-settings.ts';
import { OpenRequests } from '../../src/answers/open-requests.ts';
import { buildServer } from '../../src/build-server.ts';
import {
  HTTP_BODY_BYTES,
  MAX_CLIENT_OPEN_BYTES,
  MAX_CLIENT_OPEN_REQUESTS,
  MAX_OPEN_BYTES,
  MAX_OPEN_REQUESTS,
  OPEN_SHARE_FOR_ALL,
  SMALL_CLIENT_REQUESTS,
} from '../../src/limits/limits.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';

const MIB = 1024 * 1024;
const bodies: [string, object][] = [
  ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }] }],
  ['/api/chat', { messages: [{ role: 'user', content: 'Hi' }] }],
  ['/v1/completions', { prompt: 'Hi' }],
  ['/v1/responses', { input: 'Hi' }],
  ['/v1/embeddings', { input: 'Hi' }],
];

function silentPeer(keys?: string) {
  const mesh = createScriptedMesh(['hang']);
  mesh.embed = () => new Promise(() => {});
  const access = accessSettings(keys === undefined ? {} : { keys, limit: '100000' });
  const app = buildServer({ mesh, version: 'test', clock: new ManualClock(), logger: silentLogger, access });
  onTestFinished(() => app.close());
  // Asks by itself, whether anybody waits for the reply or not.
  const ask = async (url: string, payload: object, remoteAddress = '192.0.2.1', headers: Record<string, string> = {}) =>
    app.inject({ method: 'POST', url, payload, remoteAddress, headers });
  return { mesh, ask };
}

describe('requests that are open', () => {
  it.each(bodies)(
    'AP100: past so many of one client %s is 429 with a sentence, and others ask on',
    async (url, body) => {
      const { ask } = silentPeer();
      for (let asked = 0; asked < MAX_CLIENT_OPEN_REQUESTS; asked += 1) void ask(url, body);

      const refused = await ask(url, body);

      expect(refused.statusCode).toBe(429);
      expect(refused.headers['retry-after']).toBe('2');
      expect(refused.json().error).toMatchObject({
        code: 'mesh_busy',
        message: expect.stringMatching(/256 requests open/),
      });
      const other = ask(url, body, '192.0.2.2').then(({ statusCode }) => statusCode);
      const none = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve('waits'))));
      expect(await Promise.race([other, none])).toBe('waits');
    },
  );

  it('AP100: their bytes count too, whole bodies for those that do not say how long they are', async () => {
    const { ask } = silentPeer();
    const content = 'x'.repeat(MIB - 1_000);
    for (let asked = 0; asked < 16; asked += 1) void ask('/v1/completions', { prompt: content });
    expect((await ask('/v1/completions', { prompt: content })).statusCode).toBe(429);

    const open = new OpenRequests();
    for (let bytes = 0; bytes < MAX_CLIENT_OPEN_BYTES; bytes += HTTP_BODY_BYTES) open.take('alice', HTTP_BODY_BYTES);
    expect(() => open.take('alice', 1)).toThrow(/Wait for one of them to end/);
  });

  it('AP100: clients are told apart by key where there are keys, and by network else', async () => {
    const [alice, bob] = ['alice-k9x8w7v6u5t4s3r2', 'bob-k9x8w7v6u5t4s3r2'];
    const { ask, mesh } = silentPeer(`alice:${alice},bob:${bob}`);
    const body = { prompt: 'Hi' };
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    for (let asked = 0; asked < MAX_CLIENT_OPEN_REQUESTS; asked += 1) {
      void ask('/v1/completions', body, '192.0.2.1', as(alice));
    }
    expect((await ask('/v1/completions', body, '192.0.2.9', as(alice))).statusCode).toBe(429);
    void ask('/v1/completions', body, '192.0.2.1', as(bob));
    await mesh.asked;
    while (mesh.requests.length <= MAX_CLIENT_OPEN_REQUESTS) await new Promise(setImmediate);
    expect(mesh.requests).toHaveLength(MAX_CLIENT_OPEN_REQUESTS + 1);

    const { ask: askFrom } = silentPeer();
    for (let asked = 0; asked < MAX_CLIENT_OPEN_REQUESTS; asked += 1) {
      void askFrom('/v1/completions', body, `2001:db8::${asked.toString(16)}`);
    }
    expect((await askFrom('/v1/completions', body, '2001:db8::ffff')).statusCode).toBe(429);
  });

  it('AP100: what ends makes room, however it ended', async () => {
    const open = new OpenRequests();
    const releases = Array.from({ length: MAX_CLIENT_OPEN_REQUESTS }, () => open.take('alice', 1_000));
    expect(() => open.take('alice', 1_000)).toThrow();
    releases[0]?.();
    releases[0]?.();
    open.take('alice', 1_000);
    expect(() => open.take('alice', 1_000)).toThrow();
  });

  it('AP101: a few clients can not fill the entry: the last quarter is for those who hold next to nothing', () => {
    const open = new OpenRequests();
    let taken = 0;
    const fill = (bytes: number) => {
      for (let client = 0; client < 1_000; client += 1) {
        for (let asked = 0; asked < MAX_CLIENT_OPEN_REQUESTS; asked += 1) {
          try {
            open.take(`greedy ${client % 8}`, bytes);
            taken += 1;
          } catch {}
        }
      }
    };
    fill(1);
    // Each of the eight had its first few in any case.
    expect(taken).toBeLessThan(MAX_OPEN_REQUESTS * OPEN_SHARE_FOR_ALL + 8 * SMALL_CLIENT_REQUESTS);

    for (let asked = 0; asked < SMALL_CLIENT_REQUESTS; asked += 1) open.take('bob', 1_000);
    expect(() => open.take('bob', 1_000)).toThrow(/as it can hold/);
    for (let client = 0; taken + SMALL_CLIENT_REQUESTS + client < MAX_OPEN_REQUESTS; client += 1) {
      open.take(`${client}`, 1);
    }
    expect(() => open.take('late', 1)).toThrow(/as it can hold/);
  });

  it('AP101: nor fill its memory with long prompts', () => {
    const open = new OpenRequests();
    const takeAll = (client: string, bytes: number): number => {
      let taken = 0;
      try {
        for (;;) {
          open.take(client, bytes);
          taken += bytes;
        }
      } catch {
        return taken;
      }
    };
    let bytes = 0;
    for (let client = 0; client < 8; client += 1) bytes += takeAll(`greedy ${client}`, MIB);
    // The first few of each client may use the rest.
    expect(bytes).toBeGreaterThanOrEqual(MAX_OPEN_BYTES * OPEN_SHARE_FOR_ALL);
    expect(bytes).toBeLessThanOrEqual(MAX_OPEN_BYTES);
  });
});
