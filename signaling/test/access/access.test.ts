import { type Logger, MeshError, silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { type AccessTexts, accessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import { ownPage } from '../setup/own-page.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';
import { question } from '../setup/start-server.ts';

const aliceKey = 'alice-k9x8w7v6u5t4s3r2';
const bobKey = 'bob-k9x8w7v6u5t4s3r2:x';
const keys = `alice:${aliceKey}, bob:${bobKey}`;
const page = { origin: 'https://app.example' };

function start(texts: AccessTexts, logger: Logger = silentLogger) {
  const clock = new ManualClock();
  const mesh = createScriptedMesh();
  const app = buildServer({ mesh, version: 'test', clock, logger, access: accessSettings(texts) });
  const ask = (authorization?: string, payload: object = question) =>
    app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      payload,
      headers: { ...page, ...(authorization === undefined ? {} : { authorization }) },
    });
  return { app, ask, clock, mesh };
}

describe('API keys', () => {
  it('KY1: are asked for only where there are some', async () => {
    const { ask } = start({});
    expect((await ask()).statusCode).toBe(200);
    expect((await ask('Bearer whatever')).statusCode).toBe(200);
  });

  it.each([
    'POST /v1/chat/completions',
    'POST /v1/embeddings',
    'GET /v1/models',
    'GET /v1/models/a',
    'HEAD /v1/models',
  ])('KY2: are asked for by %s, however its address is spelt', async (route) => {
    const { app, mesh } = start({ keys });
    const [method, url = ''] = route.split(' ');
    for (const spelling of [url, `${url}?x=1`, url.replace('/v1', '/%761'), url.replace('/v1', '/v%31')]) {
      const inject = { method: method as 'GET', url: spelling, ...(method === 'POST' ? { payload: question } : {}) };
      const reply = await app.inject(inject);
      expect(reply.statusCode).toBe(401);
      expect(reply.headers['www-authenticate']).toBe('Bearer');
      if (method !== 'HEAD') {
        expect(reply.json().error).toMatchObject({
          code: 'invalid_api_key',
          type: 'invalid_request_error',
          param: null,
        });
      }
    }
    expect(mesh.requests).toEqual([]);
  });

  it.each([
    ['none', undefined],
    ['an empty one', 'Bearer '],
    ['another scheme', `Basic ${aliceKey}`],
    ['no scheme', aliceKey],
    ['the name', 'Bearer alice'],
    ['half of it', `Bearer ${aliceKey.slice(0, -1)}`],
    ['more than it', `Bearer ${aliceKey}0`],
    ['the pair', `Bearer alice:${aliceKey}`],
  ])('KY2: take %s for no key', async (_name, authorization) => {
    const { ask } = start({ keys });
    expect((await ask(authorization)).statusCode).toBe(401);
  });

  it('KY2: open the API to each of their holders', async () => {
    const { ask, app } = start({ keys });
    expect((await ask(`Bearer ${aliceKey}`)).statusCode).toBe(200);
    expect((await ask(`bearer  ${bobKey}`)).statusCode).toBe(200);
    const authorization = `Bearer ${bobKey}`;
    expect((await app.inject({ method: 'GET', url: '/v1/models', headers: { authorization } })).statusCode).toBe(200);
  });

  it('KY3: are not asked for by the web app, its chat, the status and the probes', async () => {
    const { app } = start({ keys });
    for (const url of ['/', '/api/status', '/healthz', '/readyz']) expect((await app.inject(url)).statusCode).toBe(200);
    const headers = await ownPage(app);
    const chat = await app.inject({ method: 'POST', url: '/api/chat', payload: question, headers });
    expect(chat.statusCode).toBe(200);
  });

  it('KY4: may ask so many times a minute, each for itself, with retry-after beyond', async () => {
    const { app, ask, clock } = start({ keys, limit: '3' });
    const alice = `Bearer ${aliceKey}`;
    await app.inject({ method: 'HEAD', url: '/v1/models', headers: { authorization: alice } });
    for (let turn = 0; turn < 2; turn += 1) expect((await ask(alice)).statusCode).toBe(200);

    const refused = await ask(alice);

    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('20');
    expect(refused.json().error).toMatchObject({
      code: 'mesh_busy',
      type: 'rate_limit_error',
      message: expect.stringContaining('3 times a minute'),
    });
    expect((await ask(`Bearer ${bobKey}`)).statusCode).toBe(200);
    await clock.advance(20_000);
    expect((await ask(alice)).statusCode).toBe(200);
    expect((await ask(alice)).statusCode).toBe(429);
  });

  it('KY4: may ask 100 times a minute unless told otherwise', () => {
    expect(accessSettings({ keys }).requestsPerMinute).toBe(100);
  });

  it.each<[AccessTexts, string]>([
    [{ keys: 'alice' }, 'key number 1'],
    [{ keys: `alice:${aliceKey},:${bobKey}` }, 'key number 2'],
    [{ keys: `a b:${aliceKey}` }, 'key number 1'],
    [{ keys: 'alice:secret' }, 'at least 16'],
    [{ keys: 'alice:sécret-0123456789' }, 'at least 16'],
    [{ keys: `alice:${aliceKey},alice:${bobKey}` }, "'alice' twice"],
    [{ keys: `alice:${aliceKey},bob:${aliceKey}` }, 'key of another name'],
    [{ limit: '0' }, 'TABMESH_API_KEY_LIMIT'],
    [{ limit: 'many' }, 'TABMESH_API_KEY_LIMIT'],
    [{ origins: 'app.example' }, 'TABMESH_CORS_ORIGINS'],
    [{ origins: 'https://a.example,*' }, 'TABMESH_CORS_ORIGINS'],
    [{ origins: 'https://*.example' }, 'TABMESH_CORS_ORIGINS'],
    [{ origins: 'https://a.example/chat' }, 'TABMESH_CORS_ORIGINS'],
    [{ hosts: '*' }, 'TABMESH_ALLOWED_HOSTS'],
    [{ hosts: 'mesh.example, https://mesh.example' }, 'TABMESH_ALLOWED_HOSTS'],
    [{ hosts: 'me@mesh.example' }, 'TABMESH_ALLOWED_HOSTS'],
    [{ proxies: '127.0.0.1, everyone' }, 'TABMESH_TRUSTED_PROXIES'],
    [{ proxies: '0.0.0.0/0' }, 'TABMESH_TRUSTED_PROXIES'],
    [{ proxies: '10.0.0.0/40' }, 'TABMESH_TRUSTED_PROXIES'],
  ])('KY5: and origins that make no sense are refused by a sentence without a key: %j', (texts, part) => {
    const error = (() => {
      try {
        return accessSettings(texts);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringContaining(part) });
    for (const key of [aliceKey, bobKey, 'secret', 'sécret']) {
      expect(MeshError.is(error) && error.message).not.toContain(key);
    }
  });

  it('KY6: are in no reply, in no log line and not in memory', async () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]) => void lines.push(line);
    const { ask } = start({ keys, limit: '1' }, { ...silentLogger, debug: log, info: log, warn: log, error: log });
    const replies = [await ask(`Bearer ${aliceKey}`), await ask(`Bearer ${aliceKey}`), await ask('Bearer wrong-one')];
    for (const { body, headers } of replies) expect(body + JSON.stringify(headers)).not.toMatch(/k9x8w7|wrong-one/);
    expect(lines).not.toEqual([]);
    expect(JSON.stringify(lines)).not.toMatch(/k9x8w7|wrong-one/);
    expect(JSON.stringify(accessSettings({ keys }))).not.toContain('k9x8w7');
  });
});

describe('pages of other sites', () => {
  const preflight = (app: ReturnType<typeof start>['app'], url: string, origin = page.origin) =>
    app.inject({
      method: 'OPTIONS',
      url,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-stainless-os',
      },
    });

  it('KY7: may not call the API unless their origin is named', async () => {
    for (const origins of ['', 'https://other.example']) {
      const { app, ask } = start({ origins });
      expect((await ask()).headers['access-control-allow-origin']).toBeUndefined();
      expect((await preflight(app, '/v1/embeddings')).headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it.each(['https://other.example, https://App.example/', '*'])(
    'KY8: may call the API when their origin is named (%s), and read the headers of whole and streamed answers',
    async (origins) => {
      const { app, ask } = start({ origins, keys });
      const allowed = origins === '*' ? '*' : page.origin;
      const asked = await preflight(app, '/v1/chat/completions');
      expect(asked.statusCode).toBe(204);
      expect(asked.headers).toMatchObject({
        'access-control-allow-origin': allowed,
        'access-control-allow-methods': expect.stringContaining('POST'),
        'access-control-allow-headers': 'authorization,content-type,x-stainless-os',
      });
      for (const stream of [false, true]) {
        const reply = await ask(`Bearer ${aliceKey}`, { ...question, stream });
        expect(reply.statusCode).toBe(200);
        const { 'access-control-expose-headers': exposed = '', ...headers } = reply.headers;
        expect(headers['access-control-allow-origin']).toBe(allowed);
        const told = Object.keys(headers).filter((name) => name.startsWith('x-tabmesh-'));
        expect(told.length).toBeGreaterThan(5);
        expect(String(exposed).split(', ')).toEqual(expect.arrayContaining(told));
      }
    },
  );

  it('KY8: may read why they were refused', async () => {
    const { ask } = start({ origins: page.origin, keys });
    const refused = await ask();
    expect(refused.statusCode).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe(page.origin);
  });

  it('KY9: may call nothing but the API', async () => {
    const { app } = start({ origins: '*' });
    for (const url of ['/api/chat', '/api/status', '/', '/V1/models', '/nothing']) {
      const asked = await preflight(app, url);
      expect(asked.statusCode).toBe(404);
      expect(asked.headers['access-control-allow-origin']).toBeUndefined();
      const got = await app.inject({ method: 'GET', url, headers: page });
      expect(got.headers['access-control-allow-origin']).toBeUndefined();
    }
  });
});
