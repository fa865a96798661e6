import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelId, silentLogger, systemClock } from '@tabmesh/shared';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildServer } from '../src/build-server.ts';
import { createScriptedMesh } from './setup/scripted-mesh.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tabmesh-server-'));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

describe('models and status', () => {
  it("AP11: GET /v1/models is OpenAI's list with tier, context and peers", async () => {
    const { app, mesh } = startServer();
    mesh.models = () => [
      {
        id: ModelId.parse('mesh-tiny'),
        peers: [mesh.servedBy],
        contextTokens: 1024,
      },
      {
        id: ModelId.parse('Qwen3-8B'),
        peers: [mesh.servedBy, mesh.peerId],
        contextTokens: 32_768,
      },
    ];

    const list = (await app.inject('/v1/models')).json();

    expect(list.object).toBe('list');
    expect(list.data).toEqual([
      {
        id: 'mesh-tiny',
        object: 'model',
        created: expect.any(Number),
        owned_by: 'tabmesh',
        tabmesh: { tier: 'experimental', contextTokens: 1024, peers: 1, sla: 'meets-sla' },
      },
      expect.objectContaining({
        id: 'Qwen3-8B',
        tabmesh: { tier: 'daily-driver', contextTokens: 32_768, peers: 2, sla: 'meets-sla' },
      }),
    ]);
  });

  it('AP11: GET /v1/models/:id finds names with a slash, and 404s what nobody serves', async () => {
    const { app, mesh } = startServer();
    mesh.models = () => [
      {
        id: ModelId.parse('org/model'),
        peers: [mesh.servedBy],
        contextTokens: 8,
      },
    ];

    expect((await app.inject('/v1/models/org/model')).json()).toMatchObject({
      id: 'org/model',
    });
    expect((await app.inject('/v1/models/org%2Fmodel')).json()).toMatchObject({
      id: 'org/model',
    });
    const missing = await app.inject('/v1/models/mesh-tiny');
    expect(missing.statusCode).toBe(404);
    expect(missing.json().error.message).toContain('GET /v1/models');
    expect(missing.json().error.code).toBe('model_not_found');
  });

  it.each(['org/Qwen3-0.6B.Q4_K_M', 'a/b/c.gguf', 'v1.5'])('AP11: %s is found by its own name', async (name) => {
    const { app, mesh } = startServer();
    mesh.models = () => [{ id: ModelId.parse(name), peers: [mesh.servedBy], contextTokens: 8 }];
    for (const url of [`/v1/models/${name}`, `/v1/models/${encodeURIComponent(name)}`]) {
      expect((await app.inject(url)).json()).toMatchObject({ id: name, object: 'model', owned_by: 'tabmesh' });
    }
  });

  it('AP12: GET /api/status is the roster', async () => {
    const { app, mesh } = startServer();

    expect((await app.inject('/api/status')).json()).toMatchObject({
      entry: {
        peerId: mesh.peerId,
        version: '1.2.3',
        connection: { state: 'online' },
      },
      defaultModel: 'mesh-tiny',
      models: [
        {
          id: 'mesh-tiny',
          tier: 'experimental',
          contextTokens: 1024,
          peers: [mesh.servedBy],
        },
      ],
      peers: [
        {
          peerId: mesh.servedBy,
          name: 'quiet-rowan',
          role: 'native',
          state: 'ready',
          linked: true,
          rttMs: 0.4,
          models: [
            {
              id: 'mesh-tiny',
              tier: 'experimental',
              measured: { tokensPerSecond: 40 },
            },
          ],
        },
      ],
    });
  });

  it('AP13: it is alive at once and ready when a model can answer', async () => {
    const { app, mesh } = startServer();
    const served = mesh.models;
    mesh.models = () => [];

    expect((await app.inject('/healthz')).statusCode).toBe(200);
    const waiting = await app.inject('/readyz');
    expect(waiting.statusCode).toBe(503);
    expect(waiting.headers['retry-after']).toBeDefined();
    mesh.models = served;
    expect((await app.inject('/readyz')).json()).toEqual({
      status: 'ready',
      model: 'mesh-tiny',
    });
  });

  it('AP14: an unknown URL is 404 in the same error shape', async () => {
    const { app } = startServer();

    const reply = await app.inject({
      method: 'POST',
      url: '/v1/images/generations',
    });

    expect(reply.statusCode).toBe(404);
    expect(reply.json().error).toMatchObject({
      code: 'unknown_url',
      param: null,
    });
  });
});

describe('what is kept of a reply or a request', () => {
  it.each(['/v1/models', '/v1/models/mesh-tiny', '/v1/models/none', '/api/status', '/healthz', '/readyz', '/nothing'])(
    'AP94: nobody keeps what %s tells',
    async (url) => {
      const { app } = startServer();
      expect((await app.inject(url)).headers['cache-control']).toBe('no-store');
      expect((await app.inject({ method: 'HEAD', url })).headers['cache-control']).toBe('no-store');
    },
  );

  it('AP94: answers and refusals are kept by nobody either', async () => {
    const { app } = startServer();
    for (const payload of [{ messages: [{ role: 'user', content: 'Hi' }] }, {}]) {
      const reply = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
      expect(reply.headers['cache-control']).toBe('no-store');
    }
  });

  it('AP95: no query is in the log, and no address is logged at length', async () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]) => void lines.push(line);
    const mesh = createScriptedMesh();
    const logger = { ...silentLogger, debug: log, info: log, warn: log, error: log };
    const app = buildServer({ mesh, version: 'test', clock: systemClock, logger });
    const path = `/v1/models/${'a'.repeat(5_000)}`;
    for (const url of ['/v1/models/none?key=s3cret', '/v1/models/none#s3cret', `${path}?key=s3cret`]) {
      await app.inject(url);
    }
    await app.inject({ method: 'POST', url: '/v1/chat/completions?api_key=s3cret', payload: { messages: 's3cret' } });
    expect(lines).toHaveLength(4);
    expect(JSON.stringify(lines)).toContain('/v1/models/none');
    expect(JSON.stringify(lines)).not.toContain('s3cret');
    expect(JSON.stringify(lines).length).toBeLessThan(3_000);
  });
});

describe('the web app', () => {
  it('AP15: every reply is cross-origin isolated and forbids foreign scripts', async () => {
    const { app } = await withWebApp();

    for (const url of ['/', '/contribute', '/assets/app-1a2b.js', '/v1/models', '/nothing']) {
      const { headers } = await app.inject(url);
      expect(headers).toMatchObject({
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      expect(headers['content-security-policy']).toContain("script-src 'self' 'wasm-unsafe-eval';");
    }
  });

  it.each(['/', '/contribute', '/status', '/metrics', '/settings', '/chat/5f3a'])(
    'AP16: %s is the one page, never cached blindly',
    async (url) => {
      const { app } = await withWebApp();

      const reply = await app.inject(url);

      expect(reply.statusCode).toBe(200);
      expect(reply.body).toBe('<h1>TabMesh</h1>');
      expect(reply.headers['cache-control']).toBe('no-cache');
      expect(reply.headers['content-type']).toContain('text/html');
    },
  );

  it('AP21: hashed files are kept for good, compressed ones are preferred', async () => {
    const { app } = await withWebApp();

    const reply = await app.inject({
      url: '/assets/app-1a2b.js',
      headers: { 'accept-encoding': 'br, gzip' },
    });

    expect(reply.headers).toMatchObject({
      'content-encoding': 'br',
      'cache-control': 'public, max-age=31536000, immutable',
    });
    expect(reply.body).toBe('compressed');
  });

  it('AP22: without a built web app / says how to build it', async () => {
    const { app } = startServer({ webRoot: root });

    const reply = await app.inject('/');

    expect(reply.statusCode).toBe(200);
    expect(reply.body).toContain('npm start');
  });

  it('AP17: models are served with ranges; nothing else of their folder is', async () => {
    await writeFile(join(root, 'small.gguf'), '0123456789');
    await writeFile(join(root, 'notes.txt'), 'private');
    const { app } = startServer({ modelRoot: root });

    const part = await app.inject({
      url: '/models/small.gguf',
      headers: { range: 'bytes=2-4' },
    });

    expect(part.statusCode).toBe(206);
    expect(part.body).toBe('234');
    expect(part.headers).toMatchObject({
      'content-range': 'bytes 2-4/10',
      'cache-control': 'no-cache',
    });
    for (const url of ['/models/notes.txt', '/models/', '/models/..%2Fsmall.gguf', '/models/other.gguf']) {
      expect((await app.inject(url)).statusCode).toBeGreaterThanOrEqual(400);
    }
  });
});

function startServer(roots: { webRoot?: string; modelRoot?: string } = {}) {
  const mesh = createScriptedMesh();
  return {
    mesh,
    app: buildServer({
      mesh,
      version: '1.2.3',
      clock: systemClock,
      logger: silentLogger,
      ...roots,
    }),
  };
}

async function withWebApp() {
  await mkdir(join(root, 'assets'));
  await writeFile(join(root, 'index.html'), '<h1>TabMesh</h1>');
  await writeFile(join(root, 'assets', 'app-1a2b.js'), 'plain');
  await writeFile(join(root, 'assets', 'app-1a2b.js.br'), 'compressed');
  return startServer({ webRoot: root });
}
