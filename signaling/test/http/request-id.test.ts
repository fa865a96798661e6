import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it } from 'vitest';
import { accessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import { MAX_REQUEST_ID_CHARS } from '../../src/limits/limits.ts';
import { startListening } from '../setup/listening-server.ts';
import { rawRequest } from '../setup/raw-request.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';
import { question, startServer } from '../setup/start-server.ts';

const MADE_HERE = /^req_[0-9a-f]{32}$/;

describe('an address that can not be decoded', () => {
  it('AP14: is 400 in the same error shape', async () => {
    const reply = await startServer().app.inject('/%zz');
    expect(reply.statusCode).toBe(400);
    expect(reply.json().error).toMatchObject({ code: 'invalid_request', type: 'invalid_request_error', param: null });
    expect(reply.headers['x-content-type-options']).toBe('nosniff');
  });
});

describe('the id of a request', () => {
  it.each([
    ['GET', '/v1/models'],
    ['GET', '/v1/models/none'],
    ['GET', '/healthz'],
    ['GET', '/nothing'],
    ['GET', '/%zz'],
    ['HEAD', '/v1/models'],
    ['POST', '/v1/chat/completions'],
    ['POST', '/v1/responses'],
    ['POST', '/api/chat'],
  ] as const)('AP120: is in the reply to %s %s, and never the same twice', async (method, url) => {
    const { app } = startServer();
    const ask = () => app.inject({ method, url, ...(method === 'POST' ? { payload: {} } : {}) });
    const [first, second] = [await ask(), await ask()];
    expect(first.headers['x-request-id']).toMatch(MADE_HERE);
    expect(second.headers['x-request-id']).toMatch(MADE_HERE);
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
  });

  it.each([false, true])("AP120: is the client's own in whole and streamed answers (stream: %s)", async (stream) => {
    const { app } = startServer();
    const reply = await app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      payload: { ...question, stream },
      headers: { 'x-request-id': 'trace-7/a' },
    });
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['x-request-id']).toBe('trace-7/a');
  });

  it.each([
    ['too long', 'a'.repeat(MAX_REQUEST_ID_CHARS + 1)],
    ['empty', ''],
    ['with a space', 'a b'],
    ['not ASCII', 'é'],
    ['with a tab', 'a\tb'],
  ])("AP120: is the entry's where the client's is %s", async (_what, own) => {
    const { app } = startServer();
    const reply = await app.inject({ url: '/v1/models', headers: { 'x-request-id': own } });
    expect(reply.headers['x-request-id']).toMatch(MADE_HERE);
  });

  it('AP120: is as long as may be', async () => {
    const own = 'a'.repeat(MAX_REQUEST_ID_CHARS);
    const reply = await startServer().app.inject({ url: '/v1/models', headers: { 'x-request-id': own } });
    expect(reply.headers['x-request-id']).toBe(own);
  });

  it('AP120: is told to whoever sent what is no HTTP', async () => {
    const { url } = await startListening();
    expect((await rawRequest(url, ['hello'])).headers).toMatch(/\r\nx-request-id: req_[0-9a-f]{32}\r\n/);
  });

  it("AP120: stands in the log of a refusal, and a named origin's pages may read it", async () => {
    const lines: object[] = [];
    const logger = { ...silentLogger, info: (fields: object) => void lines.push(fields) };
    const access = accessSettings({ origins: 'https://app.example' });
    const app = buildServer({
      mesh: createScriptedMesh(),
      version: 'test',
      clock: new ManualClock(),
      logger,
      access,
    });
    const headers = { origin: 'https://app.example', 'x-request-id': 'trace-7' };
    const reply = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload: {}, headers });
    expect(reply.statusCode).toBe(400);
    expect(lines).toMatchObject([{ request: 'trace-7', status: 400 }]);
    expect(String(reply.headers['access-control-expose-headers']).split(', ')).toContain('x-request-id');
  });
});
