import { connect } from 'node:net';
import { ModelId, silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh } from '../setup/scripted-mesh.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

describe('the status as events', () => {
  it('ST1: GET /api/status tells percentiles, baseline, efficiency, memory and links of every peer', async () => {
    const { app, mesh, peers } = await start();
    const [rowan] = peers;
    mesh.peers = () => [
      {
        ...rowan,
        announcement: {
          ...rowan.announcement,
          memoryBytes: 24e9,
          links: [{ peerId: mesh.peerId, rttMs: 0.4 }],
          models: rowan.announcement.models.map((model) => ({
            ...model,
            baseline: { ttftMs: 60, tokensPerSecond: 50, sampleCount: 3, ageMs: 5_000 },
          })),
        },
      },
    ];

    const [peer] = (await app.inject('/api/status')).json().peers;

    expect(peer).toMatchObject({ role: 'native', memoryBytes: 24e9, links: [{ peerId: mesh.peerId, rttMs: 0.4 }] });
    expect(peer.models[0]).toMatchObject({
      tier: 'experimental',
      efficiency: 0.8,
      measured: { ttftMs: 80, ttftP95Ms: 120, tokensPerSecond: 40, tokensPerSecondP95: 44, sampleCount: 3 },
      baseline: { tokensPerSecond: 50, sampleCount: 3 },
    });
  });

  it('ST1: an efficiency that cannot be told is null', async () => {
    const { app } = await start();
    expect((await app.inject('/api/status')).json().peers[0].models[0].efficiency).toBeNull();
  });

  it('ST2: the first event is a snapshot, equal to /api/status', async () => {
    const { app, listen } = await start();
    const events = await listen();
    expect(await events.next()).toEqual({ event: 'snapshot', data: (await app.inject('/api/status')).json() });
  });

  it('ST3: a change arrives as what came, what left and which models changed, and nothing else', async () => {
    const { mesh, peers, clock, change, listen } = await start();
    const events = await listen();
    await events.next();
    const [rowan] = peers;
    mesh.peers = () => [{ ...rowan, rttMs: 9 }];
    mesh.models = () => [{ id: ModelId.parse('Qwen3-8B'), peers: [rowan.peerId], contextTokens: 8 }];
    change();
    await clock.advance(100);

    expect(await events.next()).toMatchObject({
      event: 'delta',
      data: {
        upserted: [{ peerId: rowan.peerId, rttMs: 9 }],
        removed: [],
        models: [{ id: 'Qwen3-8B', tier: 'daily-driver' }],
        removedModels: ['mesh-tiny'],
        defaultModel: 'Qwen3-8B',
      },
    });
    mesh.peers = () => [];
    change();
    await clock.advance(100);
    expect(await events.next()).toMatchObject({ event: 'delta', data: { upserted: [], removed: [rowan.peerId] } });
  });

  it('ST4: however fast the mesh changes, deltas come ten times a second, and none when nothing changed', async () => {
    const { mesh, peers, clock, change, listen } = await start();
    const events = await listen();
    await events.next();
    const [rowan] = peers;
    for (let rttMs = 1; rttMs <= 100; rttMs += 1) {
      mesh.peers = () => [{ ...rowan, rttMs }];
      change();
      await clock.advance(10);
    }
    change();
    await clock.advance(100);
    mesh.peers = () => [];
    change();
    await clock.advance(100);
    const seen: (number | undefined)[] = [];
    for (let told = await events.next(); told.data.removed.length === 0; told = await events.next()) {
      seen.push(told.data.upserted[0]?.rttMs);
    }
    expect(seen).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  });

  it('ST5: a quiet line hears a comment every 15 s', async () => {
    const { clock, listen } = await start();
    const events = await listen();
    await events.next();
    await clock.advance(15_000);
    expect(await events.next()).toEqual({ event: 'comment', data: undefined });
  });

  it('ST6: a listener that stops reading is sent nothing more, and a snapshot once it reads again', async () => {
    const { mesh, peers, clock, change, port } = await start();
    const [rowan] = peers;
    const large = (name: string) => () =>
      Array.from({ length: 400 }, (_unused, index) => ({ ...rowan, peerId: `${rowan.peerId}${index}` as never, name }));
    mesh.peers = large('first');
    const socket = connect(port, '127.0.0.1');
    open.push(async () => void socket.destroy());
    socket.pause();
    socket.write('GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await mesh.listenedTo;
    let told = 0;
    for (; told < 200; told += 1) {
      mesh.peers = large(`change ${told}`);
      change();
      await clock.advance(100);
    }
    mesh.peers = large('last');

    const text = await new Promise<string>((resolve) => {
      let all = '';
      socket.on('data', (chunk) => {
        all += chunk;
        if (all.includes('"name":"last"')) resolve(all);
      });
      socket.resume();
    });

    expect(text.match(/^event: delta$/gm)?.length ?? 0).toBeLessThan(told);
    expect(text.match(/^event: snapshot$/gm)?.length).toBe(2);
  });

  it('ST7: the mesh is listened to while somebody listens, and no timer outlives the last listener or the app', async () => {
    const { app, mesh, clock, listen } = await start();
    const first = await listen();
    await first.next();
    expect(clock.pendingTimers()).toBe(1);
    first.leave();
    await mesh.leftAlone;
    expect(clock.pendingTimers()).toBe(0);

    const second = await listen();
    await second.next();
    await app.close();
    expect(await second.next()).toBeUndefined();
    expect(clock.pendingTimers()).toBe(0);
    expect(mesh.listenerCount()).toBe(0);
  });

  it('ST23: one network has 50 of the 500 places, by any of its addresses, and gets back those that it leaves', async () => {
    const { app } = await start();
    const left: AbortController[] = [];
    // Enough of them never ends, so the reply is taken when its headers are there.
    const listenFrom = async (remoteAddress: string) => {
      const abort = new AbortController();
      const reply = await app.inject({
        url: '/api/events',
        remoteAddress,
        payloadAsStream: true,
        signal: abort.signal,
      });
      if (reply.statusCode === 200) left.push(abort);
      reply
        .stream()
        .on('error', () => {})
        .resume();
      return reply;
    };
    const statuses: number[] = [];
    for (let index = 0; index < 51; index += 1) {
      statuses.push((await listenFrom(`2001:db8:0:7::${index.toString(16)}`)).statusCode);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    const refused = await listenFrom('2001:db8:0:7::ffff');
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['retry-after']).toBe('15');
    expect((await listenFrom('2001:db8:0:8::1')).statusCode).toBe(200);
    expect((await listenFrom('192.0.2.1')).statusCode).toBe(200);
    left[0]?.abort();
    await expect.poll(async () => (await listenFrom('2001:db8:0:7::1')).statusCode).toBe(200);
  });
});

function moment() {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function start() {
  const scripted = createScriptedMesh();
  const clock = new ManualClock();
  const listeners = new Set<() => void>();
  const listenedTo = moment();
  const leftAlone = moment();
  const peers = scripted.peers() as unknown as readonly [ReturnType<typeof scripted.peers>[number]];
  const mesh = Object.assign(scripted, {
    listenedTo: listenedTo.promise,
    leftAlone: leftAlone.promise,
    listenerCount: () => listeners.size,
    onChange(listener: () => void) {
      listeners.add(listener);
      listenedTo.resolve();
      return () => {
        listeners.delete(listener);
        leftAlone.resolve();
      };
    },
  });
  const app = buildServer({ mesh, version: 'test', clock, logger: silentLogger });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  open.push(() => app.close());
  const change = () => {
    for (const listener of listeners) listener();
  };
  const listen = () => listenTo(`${url}/api/events`);
  return { app, mesh, peers, clock, change, listen, port: Number(new URL(url).port) };
}

async function listenTo(url: string) {
  const controller = new AbortController();
  open.push(async () => controller.abort());
  const { body, headers } = await fetch(url, { signal: controller.signal });
  expect(headers.get('content-type')).toContain('text/event-stream');
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    leave: () => controller.abort(),
    /** Undefined when the stream has ended. */
    async next() {
      for (let end = text.indexOf('\n\n'); ; end = text.indexOf('\n\n')) {
        if (end !== -1) {
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          const data = /^data: (.*)$/m.exec(block)?.[1];
          const event = /^event: (.*)$/m.exec(block)?.[1] ?? 'comment';
          return { event, data: data === undefined ? undefined : JSON.parse(data) };
        }
        const part = await reader?.read();
        if (part?.value === undefined) return undefined as never;
        text += part.value;
      }
    },
  };
}
