/** The web app's own way in: what its pages show instead of a key, and what nobody else can. */
import { type Logger, silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { type AccessTexts, accessSettings } from '../../src/access/access-settings.ts';
import { createPageTokens } from '../../src/access/page-tokens.ts';
import { buildServer } from '../../src/build-server.ts';
import { ownPage } from '../setup/own-page.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';
import { question } from '../setup/start-server.ts';
import { MODEL, startWithProvider } from '../setup/start-with-provider.ts';

const key = 'alice-k9x8w7v6u5t4s3r2';
const keys = `alice:${key}`;

function start(texts: AccessTexts = {}, logger: Logger = silentLogger) {
  const clock = new ManualClock();
  const mesh = createScriptedMesh();
  const app = buildServer({ mesh, version: 'test', clock, logger, access: accessSettings(texts) });
  const fetchToken = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/api/page-token', headers });
  const chat = (headers: Record<string, string> = {}, remoteAddress = '192.0.2.1') =>
    app.inject({ method: 'POST', url: '/api/chat', payload: question, headers, remoteAddress });
  return { app, clock, mesh, fetchToken, chat };
}

describe('the token of a page', () => {
  it('KY13: is given to own pages, by any name of the entry, and never kept by a cache', async () => {
    const { fetchToken } = start({ hosts: 'mesh.example.org' });
    for (const [host, origin] of [
      ['127.0.0.1:8080', 'http://127.0.0.1:8080'],
      ['192.168.1.20:8080', 'http://192.168.1.20:8080'],
      ['[::1]:8080', 'http://[::1]:8080'],
      ['mesh.example.org', 'https://mesh.example.org'],
      ['127.0.0.1:8080', 'https://mesh.example.org'],
    ] as const) {
      const reply = await fetchToken({ host, origin });
      expect(reply.statusCode).toBe(200);
      expect(reply.json()).toEqual({ token: expect.stringMatching(/^\d+\.[\w-]{43}$/), expiresInMs: 300_000 });
      expect(reply.headers['cache-control']).toBe('no-store');
      expect(reply.headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it.each<[string, Record<string, string>]>([
    ['a program', {}],
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a page of another port', { origin: 'http://localhost:3000' }],
    ['a page without an origin', { origin: 'null' }],
    ['what is no origin', { origin: '127.0.0.1:8080' }],
    ['a frame in another site', { origin: 'http://127.0.0.1:8080', 'sec-fetch-site': 'cross-site' }],
    ['a page of a neighbour', { origin: 'http://127.0.0.1:8080', 'sec-fetch-site': 'same-site' }],
    ['a page that claims a host', { origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' }],
  ])('KY13: is not given to %s', async (_who, headers) => {
    const { fetchToken, app } = start({ keys });
    const reply = await fetchToken({ host: '127.0.0.1:8080', ...headers });
    expect(reply.statusCode).toBe(403);
    expect(reply.json().error).toMatchObject({ code: 'forbidden_origin', message: expect.stringContaining('/v1') });
    expect((await app.inject({ url: '/api/page-token', headers: { host: '127.0.0.1:8080' } })).statusCode).toBe(404);
  });

  it('KY14: opens the chat where there are keys, and so does a key, but nothing else', async () => {
    const { app, chat, mesh } = start({ keys });
    expect((await chat()).statusCode).toBe(401);
    expect((await chat({ authorization: 'Bearer none-of-the-keys-here' })).json().error.code).toBe('invalid_api_key');
    const asked = mesh.requests.length;
    expect((await chat(await ownPage(app))).statusCode).toBe(200);
    expect((await chat({ authorization: `Bearer ${key}` })).statusCode).toBe(200);
    expect([asked, mesh.requests.length]).toEqual([0, 2]);
  });

  it('KY14: is refused when it is over, changed, of another origin or of another start of the entry', async () => {
    const { app, chat, clock } = start({ keys });
    const page = await ownPage(app);
    expect((await chat(page)).statusCode).toBe(200);
    const [expiresAt = '', signature = ''] = page['x-tabmesh-page'].split('.');
    const { origin: _origin, ...withoutOrigin } = page;
    const strangers = await ownPage(start().app);
    for (const headers of [
      withoutOrigin,
      { ...page, 'x-tabmesh-page': '' },
      { ...page, 'x-tabmesh-page': `${Number(expiresAt) + 1}.${signature}` },
      { ...page, 'x-tabmesh-page': `${expiresAt}.${signature.slice(0, -2)}AA` },
      { ...page, 'x-tabmesh-page': `${expiresAt}.${signature.slice(1)}` },
      strangers,
      { ...(await ownPage(app, '127.0.0.1:8080')), host: page.host, origin: page.origin },
    ]) {
      const reply = await chat(headers);
      expect(reply.statusCode).toBe(401);
      expect(reply.json().error.message).toContain('Reload the page');
    }
    await clock.advance(300_000);
    expect((await chat(page)).statusCode).toBe(401);
    expect((await chat(await ownPage(app))).statusCode).toBe(200);
  });

  it('KY14: is signed once when it is shown often, and only so many are remembered', () => {
    const clock = new ManualClock();
    const tokens = createPageTokens(clock);
    const given = Array.from(
      { length: 2_500 },
      (_, index) => [tokens.issue(`http://${index}`), `http://${index}`] as const,
    );
    for (let turn = 0; turn < 2; turn += 1) {
      expect(given.every(([token, origin]) => tokens.isGood(token, origin))).toBe(true);
    }
    expect(given.some(([token]) => tokens.isGood(token, 'http://another'))).toBe(false);
  });

  it('KY15: or none: a page of another origin gets nothing from the chat', async () => {
    const { app, chat, mesh } = start();
    const page = await ownPage(app);
    for (const headers of [
      { host: '127.0.0.1:8080', origin: 'https://evil.example' },
      { ...page, origin: 'https://evil.example' },
      { host: '127.0.0.1:8080', origin: 'http://localhost:3000' },
      { ...page, 'sec-fetch-site': 'cross-site' },
    ]) {
      const reply = await chat(headers);
      expect(reply.statusCode).toBe(403);
      expect(reply.json().error.code).toBe('forbidden_origin');
    }
    expect(mesh.requests).toEqual([]);
  });

  it('KY16: lets the pages of one network ask as often as a key, however many addresses that has', async () => {
    const { app, chat, clock } = start({ keys, limit: '3' });
    const page = await ownPage(app);
    const statuses: number[] = [];
    for (const host of ['1', '2', '3', '4']) statuses.push((await chat(page, `2001:db8:0:7::${host}`)).statusCode);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const refused = await chat(page, '2001:db8:0:7::5');
    expect(refused.headers['retry-after']).toBe('20');
    expect((await chat(page, '2001:db8:0:8::1')).statusCode).toBe(200);
    expect((await chat(page, '192.0.2.9')).statusCode).toBe(200);
    await clock.advance(20_000);
    expect((await chat(page, '2001:db8:0:7::6')).statusCode).toBe(200);
  });

  it('KY12: tells visitors apart by the word of a configured proxy, and of nobody else', async () => {
    const { app, chat } = start({ keys, limit: '1', proxies: '192.0.2.1' });
    const page = await ownPage(app);
    const from = async (remoteAddress: string, visitor: string) =>
      (await chat({ ...page, 'x-forwarded-for': visitor }, remoteAddress)).statusCode;
    expect(await from('192.0.2.1', '198.51.100.1')).toBe(200);
    expect(await from('192.0.2.1', '198.51.100.2')).toBe(200);
    // What a visitor wrote itself stands before what the proxy adds.
    expect(await from('192.0.2.1', '203.0.113.9, 198.51.100.2')).toBe(429);
    expect(await from('192.0.2.2', '198.51.100.3')).toBe(200);
    expect(await from('192.0.2.2', '198.51.100.4')).toBe(429);
  });
});

describe('the budget of the provider', () => {
  const ask = { model: MODEL, ...question };

  it('FB18: is spent by own pages only: without a token the mesh is asked, and the provider hears nothing', async () => {
    const { app, provider, chat } = await startWithProvider();
    const elsewhere = { method: 'POST', url: '/api/chat', payload: ask, remoteAddress: '192.0.2.7' } as const;
    const script = await app.inject(elsewhere);
    expect(script.headers['x-tabmesh-fallback-status']).toBe('fallback-disabled');
    expect(provider.requests).toEqual([]);
    expect((await chat(ask)).headers['x-tabmesh-fallback-status']).toBe('used');
    expect(provider.requests).toHaveLength(1);
  });

  it('FB18: and by a script on the machine of the entry, unless it asks for somebody else', async () => {
    const { app, provider } = await startWithProvider();
    const statusOf = async (remoteAddress: string, headers: Record<string, string> = {}) =>
      (await app.inject({ method: 'POST', url: '/api/chat', payload: ask, remoteAddress, headers })).headers[
        'x-tabmesh-fallback-status'
      ];
    for (const header of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via']) {
      expect(await statusOf('127.0.0.1', { [header]: '192.0.2.7' })).toBe('fallback-disabled');
    }
    expect(provider.requests).toEqual([]);
    for (const here of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) expect(await statusOf(here)).toBe('used');
  });

  it('FB18: and by holders of a key where there are keys, but never on /v1', async () => {
    const { app, provider } = await startWithProvider({ access: accessSettings({ keys }) });
    const headers = { authorization: `Bearer ${key}` };
    const asked = await app.inject({ method: 'POST', url: '/api/chat', payload: ask, headers });
    expect(asked.headers['x-tabmesh-fallback-status']).toBe('used');
    const api = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload: ask, headers });
    expect(api.headers['x-tabmesh-fallback-status']).toBe('fallback-disabled');
    expect(provider.requests).toHaveLength(1);
  });
});
