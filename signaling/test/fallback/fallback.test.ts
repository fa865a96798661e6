import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@tabmesh/shared';
import { afterEach, describe, expect, it } from 'vitest';
import { createBudgetFile } from '../../src/fallback/budget-file.ts';
import { PROVIDER_KEY, type ProviderBehaviour } from '../setup/provider-server.ts';
import { MODEL, serveDaily, startWithProvider as start } from '../setup/start-with-provider.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ask = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] };

describe('the seven statuses of the fallback', () => {
  it('FB1: not-needed, while the mesh is fast enough', async () => {
    const { mesh, provider, chat } = await start();
    serveDaily(mesh);

    const reply = await chat(ask);

    expect(reply.headers).toMatchObject({ 'x-tabmesh-served-by': 'mesh', 'x-tabmesh-fallback-status': 'not-needed' });
    expect(provider.requests).toEqual([]);
  });

  it('FB2: used, when the gate misses for a daily driver that is mapped', async () => {
    const { provider, chat } = await start();

    const reply = await chat({ ...ask, temperature: 0, max_tokens: 9, stop: ['x'], seed: 4, prompt_cache_key: 'mine' });

    expect(reply.statusCode).toBe(200);
    expect(reply.headers).toMatchObject({
      'x-tabmesh-sla-status': 'no-peer-with-model',
      'x-tabmesh-served-by': 'fallback',
      'x-tabmesh-fallback-status': 'used',
      'x-tabmesh-job': expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(reply.headers['x-tabmesh-peer']).toBeUndefined();
    expect(reply.json()).toMatchObject({
      id: `chatcmpl-${reply.headers['x-tabmesh-job']}`,
      model: MODEL,
      choices: [{ message: { role: 'assistant', content: 'Grüße from outside' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 4, total_tokens: 11 },
    });
    expect(provider.requests).toHaveLength(1);
    expect(provider.requests[0]).toMatchObject({ url: '/v1/chat/completions' });
    expect(provider.requests[0]?.headers.authorization).toBe(`Bearer ${PROVIDER_KEY}`);
    expect(provider.requests[0]?.body).toEqual({
      model: 'their/qwen',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 9,
      temperature: 0,
      seed: 4,
      stop: ['x'],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('FB3: fallback-disabled, without a provider and on /v1, where no prompt ever leaves the mesh', async () => {
    const withProvider = await start();
    const without = await start({ configured: false });

    const onV1 = await withProvider.post('/v1/chat/completions', ask);
    const onChat = await without.chat(ask);

    expect(onV1.headers['x-tabmesh-fallback-status']).toBe('fallback-disabled');
    expect(onChat.headers['x-tabmesh-fallback-status']).toBe('fallback-disabled');
    expect(withProvider.provider.requests).toEqual([]);
  });

  it('FB4: tier-not-eligible, for any model that is no daily driver, mapped or not', async () => {
    const { provider, chat } = await start({ models: `${MODEL}=a,Qwen3-32B=b,unheard-of=c` });

    for (const model of ['Qwen3-32B', 'unheard-of']) {
      const reply = await chat({ ...ask, model });
      expect(reply.headers['x-tabmesh-fallback-status']).toBe('tier-not-eligible');
    }
    expect(provider.requests).toEqual([]);
  });

  it('FB5: not-mapped, for a daily driver that the operator gave no counterpart', async () => {
    const { provider, chat } = await start();

    const reply = await chat({ ...ask, model: 'Llama-3.2-3B' });

    expect(reply.headers['x-tabmesh-fallback-status']).toBe('not-mapped');
    expect(provider.requests).toEqual([]);
  });

  it('FB6: over-budget, once an address spent its budget of the hour; then the mesh serves', async () => {
    const { mesh, provider, clock, chat } = await start({ budget: 2 });
    const status = async () => (await chat(ask)).headers['x-tabmesh-fallback-status'];

    expect([await status(), await status()]).toEqual(['used', 'used']);
    serveDaily(mesh, { tokensPerSecond: 2 });
    const third = await chat(ask);

    expect(third.headers['x-tabmesh-fallback-status']).toBe('over-budget');
    expect(third.json().choices[0].message.content).toBe('Hello there');
    expect(provider.requests).toHaveLength(2);
    await clock.advance(3_600_000);
    expect(await status()).toBe('used');
  });

  it.each<ProviderBehaviour>(['status-401-with-key', 'status-500', 'redirects', 'no-sse', 'reports-error'])(
    'FB7: upstream-failed, when the provider %s; then the mesh serves and says so',
    async (behaviour) => {
      const { mesh, provider, clock, chat } = await start({ behaviour });
      serveDaily(mesh, { tokensPerSecond: 2 });

      const reply = await chat(ask);

      expect(reply.statusCode).toBe(200);
      expect(reply.headers).toMatchObject({
        'x-tabmesh-served-by': 'mesh',
        'x-tabmesh-sla-status': 'tps-too-low',
        'x-tabmesh-fallback-status': 'upstream-failed',
      });
      expect(reply.json().choices[0].message.content).toBe('Hello there');
      expect(provider.requests).toHaveLength(1);
      expect(clock.pendingTimers()).toBe(0);
    },
  );

  it('FB7: upstream-failed, when nothing listens there; without a peer the error says what to do', async () => {
    const { provider, chat } = await start();
    await provider.close();

    const reply = await chat(ask);

    expect(reply.statusCode).toBe(503);
    expect(reply.headers['x-tabmesh-fallback-status']).toBe('upstream-failed');
    expect(reply.json().error.code).toBe('no_peer_with_model');
  });
});

describe('time limits of the provider', () => {
  it('FB8: a provider that sends no byte for 15 s is left, and the mesh serves', async () => {
    const { mesh, provider, clock, chat } = await start({ behaviour: 'silent' });
    serveDaily(mesh, { tokensPerSecond: 2 });
    const asked = provider.asked();
    const reply = chat(ask);
    await asked;

    await clock.advance(15_000);

    expect((await reply).headers['x-tabmesh-fallback-status']).toBe('upstream-failed');
    await provider.abandoned;
    expect(clock.pendingTimers()).toBe(0);
  });

  it('FB8: one that can not be reached within 5 s, TLS included, is left too', async () => {
    const deaf = createServer();
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => deaf.close());
    const { port } = deaf.address() as AddressInfo;
    const { clock, chat } = await start({ url: `https://127.0.0.1:${port}/v1` });
    const connected = once(deaf, 'connection');
    const reply = chat(ask);
    const [socket] = await connected;

    await clock.advance(5_000);

    expect((await reply).headers['x-tabmesh-fallback-status']).toBe('upstream-failed');
    socket.destroy();
  });

  it('FB9: a stream that stalls for 30 s ends with an error event', async () => {
    const { clock, url, page } = await start({ behaviour: 'hangs', listen: true });
    const response = await fetch(`${url}/api/chat`, json({ ...ask, stream: true }, await page()));
    expect(response.headers.get('x-tabmesh-fallback-status')).toBe('used');

    await clock.advance(30_000);

    const events = eventsOf(await response.text());
    expect(events.at(-1)).toMatchObject({ error: { code: 'upstream_failed' } });
  });
});

describe('the stream of the provider', () => {
  it('FB10: the reader sees the shape of the mesh, chunk by chunk', async () => {
    const { mesh, chat } = await start();
    const streamed = { ...ask, stream: true, stream_options: { include_usage: true } };

    const outside = await chat(streamed);
    serveDaily(mesh);
    const inside = await chat(streamed);

    expect(inside.headers['x-tabmesh-served-by']).toBe('mesh');
    expect(outside.headers['x-tabmesh-served-by']).toBe('fallback');
    expect(shapeOf(outside.payload)).toEqual(shapeOf(inside.payload));
    expect(outside.payload).not.toContain('theirs');
    expect(outside.payload.trimEnd().endsWith('data: [DONE]')).toBe(true);
    expect(eventsOf(outside.payload).map((event) => event.choices?.[0]?.delta?.content ?? '')).toEqual([
      '',
      'Grüße',
      ' from outside',
      '',
      '',
    ]);
  });

  it('FB10: a provider that counts nothing gets zeros for usage, never the number of its chunks', async () => {
    const { chat } = await start({ behaviour: 'answers-without-usage' });

    expect((await chat(ask)).json().usage).toMatchObject({ prompt_tokens: 0, completion_tokens: 0 });
  });

  it('FB11: a provider that dies in the middle ends the stream with an error event, the whole answer with 502', async () => {
    const { chat } = await start({ behaviour: 'dies' });

    const streamed = eventsOf((await chat({ ...ask, stream: true })).payload);
    const whole = await chat(ask);

    expect(streamed[1]?.choices?.[0]?.delta?.content).toBe('Grüße');
    expect(streamed.at(-1)).toMatchObject({ error: { code: 'upstream_failed' } });
    expect(whole.statusCode).toBe(502);
    expect(whole.json().error.message).toMatch(/^The fallback provider failed: .+\. Send the message again\.$/);
  });

  it('FB12: a reader who leaves ends the request to the provider', async () => {
    const { provider, url, page } = await start({ behaviour: 'hangs', listen: true });
    const abort = new AbortController();
    const streamed = json({ ...ask, stream: true }, await page());
    const reply = await fetch(`${url}/api/chat`, { ...streamed, signal: abort.signal });
    expect(reply.headers.get('x-tabmesh-served-by')).toBe('fallback');

    abort.abort();

    await provider.abandoned;
  });

  it('FB12: so does one who leaves before its first byte, and the mesh is not asked instead', async () => {
    const { mesh, provider, url, page } = await start({ behaviour: 'silent', listen: true });
    const abort = new AbortController();
    const asked = provider.asked();
    const reply = fetch(`${url}/api/chat`, { ...json(ask, await page()), signal: abort.signal });
    await asked;

    abort.abort();

    await expect(reply).rejects.toThrow();
    await provider.abandoned;
    expect(mesh.requests).toEqual([]);
  });
});

describe('what is kept and what is told', () => {
  it('FB13: the budget survives a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tabmesh-budget-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    const store = createBudgetFile(join(folder, 'budget.json'), silentLogger);
    const before = await start({ budget: 1, store });
    expect((await before.chat(ask)).headers['x-tabmesh-fallback-status']).toBe('used');
    await before.close();

    const after = await start({ budget: 1, store });

    expect((await after.chat(ask)).headers['x-tabmesh-fallback-status']).toBe('over-budget');
    expect(await readFile(join(folder, 'budget.json'), 'utf8')).toBe('{"127.0.0.1":[1800000000000]}');
  });

  it('FB13: a damaged budget file starts anew', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tabmesh-budget-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    const file = join(folder, 'budget.json');
    await writeFile(file, '{"127.0.0.1": "many"}');
    const { chat } = await start({ budget: 1, store: createBudgetFile(file, silentLogger) });

    expect((await chat(ask)).headers['x-tabmesh-fallback-status']).toBe('used');
  });

  it("FB14: the key and the provider's own words are in no answer and no log line", async () => {
    for (const behaviour of ['status-401-with-key', 'reports-error', 'dies', 'answers'] as const) {
      const { lines, chat, app } = await start({ behaviour });

      const replies = [await chat(ask), await chat({ ...ask, stream: true }), await app.inject('/api/status')];

      expect(lines.length).toBeGreaterThan(0);
      for (const seen of [...lines, ...replies.flatMap((reply) => [reply.payload, JSON.stringify(reply.headers)])]) {
        expect(seen).not.toContain(PROVIDER_KEY);
        expect(seen).not.toContain('no credit');
      }
    }
  });

  it('FB15: /api/status says whether an outside provider may see prompts, whose it is, and of which models', async () => {
    const mapped = await start({ models: `${MODEL}=a,Qwen3-32B=b` });
    const without = await start({ configured: false });

    expect((await mapped.app.inject('/api/status')).json().fallback).toEqual({
      enabled: true,
      host: new URL(mapped.provider.url).host,
      models: [MODEL],
    });
    expect((await without.app.inject('/api/status')).json().fallback).toEqual({
      enabled: false,
      host: null,
      models: [],
    });
  });
});

function json(body: object, headers: Record<string, string>): RequestInit {
  return { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

interface StreamEvent {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
  readonly error?: object;
}

function eventsOf(payload: string): StreamEvent[] {
  return payload
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)));
}

/** Which fields there are, of what type. */
function shapeOf(payload: string): unknown[] {
  const typed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(typed);
    if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, typed(field)]));
  };
  return eventsOf(payload).map(typed);
}
