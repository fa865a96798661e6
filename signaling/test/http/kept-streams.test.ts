/** Streams that outlive their reader, over real sockets. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { createIdentity, JobId, silentLogger, systemRandom } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import fastify, { type FastifyInstance } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { accessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import type { EventStream } from '../../src/http/event-stream.ts';
import { registerKeptStreams } from '../../src/http/kept-streams.ts';
import { abortOnDisconnect } from '../../src/http/request-abort.ts';
import { streamReply } from '../../src/http/stream-reply.ts';
import { boundUnreadReplies } from '../../src/http/unread-replies.ts';
import { KEPT_STREAM_CHARS, KEPT_STREAM_MS, MAX_CLIENT_KEPT_STREAMS } from '../../src/limits/limits.ts';
import { createScriptedMesh, JOB_ID, type ScriptStep } from '../setup/scripted-mesh.ts';

const CHAT = '/v1/chat/completions';
const BODIES: Readonly<Record<string, object>> = {
  [CHAT]: { messages: [{ role: 'user', content: 'Hi' }] },
  '/v1/completions': { prompt: 'Hi' },
  '/v1/responses': { input: 'Hi', store: false },
};

async function start(script: readonly ScriptStep[], keys: string | undefined = undefined) {
  const clock = new ManualClock();
  const mesh = createScriptedMesh(script);
  const access = accessSettings({ keys });
  const app = buildServer({ mesh, version: 'test', clock, logger: silentLogger, access });
  onTestFinished(() => app.close());
  const hangUp = createHangUp(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;

  const open = (method: string, path: string, headers: Record<string, string> = {}, body?: object) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { 'content-type': 'application/json', ...headers },
      };
      const sent = httpRequest(options, resolve).on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const ask = (path = CHAT, headers: Record<string, string> = { 'x-tabmesh-resume': '1' }) =>
    open('POST', path, headers, { ...BODIES[path], stream: true });
  const readOn = (lastId: number | string | undefined, headers: Record<string, string> = {}, job: string = JOB_ID) =>
    open('GET', `/v1/streams/${job}`, {
      ...headers,
      ...(lastId === undefined ? {} : { 'last-event-id': String(lastId) }),
    });
  let cancelled = false;
  void mesh.cancelled.then(() => {
    cancelled = true;
  });
  return { clock, mesh, app, ask, readOn, hangUp, isCancelled: () => cancelled };
}

/** What came until so many events were there, or until the end. */
async function read(reply: IncomingMessage, events = Number.POSITIVE_INFINITY): Promise<string> {
  let text = '';
  reply.setEncoding('utf8');
  for await (const chunk of reply.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.split('\n\n').length > events) break;
  }
  return text;
}

const lastIdIn = (text: string) => Number([...text.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1]);

/** Hangs up, and resolves when the server knows it. */
function createHangUp(app: FastifyInstance): (reply: IncomingMessage) => Promise<void> {
  const sockets = new Map<number | undefined, Socket>();
  app.server.on('connection', (socket) => sockets.set(socket.remotePort, socket));
  return async (reply) => {
    const socket = sockets.get(reply.socket.localPort);
    if (socket === undefined) throw new Error('The server has no such connection.');
    const closed = once(socket, 'close');
    reply.destroy();
    await closed;
  };
}

/** Says two words, waits until it is let go, and says two more. */
function interrupted() {
  let letGo = () => {};
  const wait = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const script: ScriptStep[] = [{ say: 'one' }, { say: ' two' }, { wait }, { say: ' three' }, { say: ' four' }];
  return { script, letGo: () => letGo() };
}

describe('a stream that outlives its reader', () => {
  it.each(Object.keys(BODIES))('AP160: of %s goes on behind the last event that came, byte for byte', async (path) => {
    const whole = interrupted();
    const undisturbed = await start(whole.script);
    whole.letGo();
    const expected = await read(await undisturbed.ask(path));

    const { script, letGo } = interrupted();
    const { ask, readOn, isCancelled, hangUp } = await start(script);
    const first = await ask(path);
    expect(first.headers['x-tabmesh-resume-url']).toBe(`/v1/streams/${JOB_ID}`);
    const before = await read(first, 2);
    await hangUp(first);
    expect(isCancelled()).toBe(false);
    letGo();
    const second = await readOn(lastIdIn(before));
    expect(second.headers['content-type']).toContain('text/event-stream');
    const behind = await read(second);
    // Times and made-up ids of items differ from run to run.
    const plain = (text: string) =>
      text.replace(/"(created(_at)?|completed_at)":\d+/g, '"at":0').replace(/(msg|rs|resp)_\w+/g, '$1');
    expect(plain(before + behind)).toBe(plain(expected));
    expect((await readOn(lastIdIn(behind))).statusCode).toBe(204);
    expect(before + (await read(await readOn(lastIdIn(before))))).toBe(before + behind);
    expect(await read(await readOn(undefined))).toBe(before + behind);
  });

  it('AP161: without its wish an answer has no ids, and ends with its connection', async () => {
    const { ask, readOn, mesh } = await start([{ say: 'one' }, 'hang']);
    const reply = await ask(CHAT, {});
    expect(await read(reply, 1)).toMatch(/^data: /);
    expect(reply.headers['x-tabmesh-resume-url']).toBeUndefined();
    const began = performance.now();
    reply.destroy();
    await mesh.cancelled;
    expect(performance.now() - began).toBeLessThan(250);
    expect((await readOn(0)).statusCode).toBe(404);
  });

  it('AP162: is kept for a minute after its reader left, and after its end', async () => {
    const { clock, ask, readOn, isCancelled, mesh, hangUp } = await start([{ say: 'one' }, 'hang']);
    const reply = await ask();
    await read(reply, 1);
    await clock.advance(KEPT_STREAM_MS * 2);
    expect(isCancelled()).toBe(false);
    await hangUp(reply);
    await clock.advance(KEPT_STREAM_MS - 1);
    expect(isCancelled()).toBe(false);
    const again = await readOn(1);
    await hangUp(again);
    await clock.advance(KEPT_STREAM_MS);
    await mesh.cancelled;
    expect((await readOn(1)).statusCode).toBe(404);
    const ended = await start([{ say: 'one' }]);
    await read(await ended.ask());
    expect((await ended.readOn(1)).statusCode).toBe(200);
    await ended.clock.advance(KEPT_STREAM_MS);
    expect((await ended.readOn(1)).statusCode).toBe(404);
  });

  it("AP163: another's stream is none, nor are events that were never sent, and ids that are no numbers are refused", async () => {
    const keys = 'alice:alice-key-0123456789,bob:bob-key-0123456789';
    const { ask, readOn } = await start([{ say: 'one' }, 'hang'], keys);
    const alice = { authorization: 'Bearer alice-key-0123456789' };
    const bob = { authorization: 'Bearer bob-key-0123456789' };
    const reply = await ask(CHAT, { ...alice, 'x-tabmesh-resume': '1' });
    await read(reply, 1);
    expect((await readOn(1, bob)).statusCode).toBe(404);
    expect((await readOn(1)).statusCode).toBe(401);
    expect((await readOn(99, alice)).statusCode).toBe(404);
    expect((await readOn(1, alice, 'f'.repeat(32))).statusCode).toBe(404);
    for (const id of ['-1', 'abc', '1.5', '9'.repeat(40)]) expect((await readOn(id, alice)).statusCode).toBe(400);
    expect((await readOn(1, alice)).statusCode).toBe(200);
  });

  it('AP164: the new reader takes the place of one that was not missed yet', async () => {
    const { script, letGo } = interrupted();
    const { ask, readOn } = await start(script);
    const first = await ask();
    const before = await read(first, 2);
    const gone = new Promise((resolve) => first.once('close', resolve).on('error', () => {}));
    const second = await readOn(lastIdIn(before));
    first.resume();
    await gone;
    letGo();
    expect(await read(second)).toContain(' four');
  });

  it('AP165: without a reader an answer goes on as far as there is room, and the rest once somebody reads', async () => {
    const say = 'x'.repeat(KEPT_STREAM_CHARS / 8);
    const { script, letGo } = interrupted();
    const { ask, readOn, mesh, hangUp } = await start([...script, ...Array.from({ length: 40 }, () => ({ say }))]);
    const first = await ask();
    const before = await read(first, 2);
    await hangUp(first);
    letGo();
    // It stands still when nothing happens in fifty turns.
    for (let taken = -1, still = 0; still < 50; await setImmediate()) {
      still = taken === mesh.stepsTaken ? still + 1 : 0;
      taken = mesh.stepsTaken;
    }
    expect(mesh.stepsTaken).toBeLessThan(20);
    const rest = await read(await readOn(lastIdIn(before)));
    expect(rest.match(/^id: /gm)?.length).toBeGreaterThan(40);
    expect(rest).toContain('[DONE]');
  });

  it('AP165: a client has so many of them; past that an answer is as any other, unless one that has ended makes room', async () => {
    const { ask, mesh, readOn } = await start([{ say: 'one' }, 'hang']);
    const { complete } = mesh;
    let jobs = 0;
    mesh.complete = async function* (...args) {
      jobs += 1;
      const jobId = JobId.parse(jobs.toString(16).padStart(32, '0'));
      for await (const event of complete(...args)) yield event.type === 'route' ? { ...event, jobId } : event;
    };
    const isKept = async () => {
      const reply = await ask();
      await read(reply, 1);
      return reply.headers['x-tabmesh-resume-url'] !== undefined;
    };
    mesh.script = [{ say: 'one' }];
    expect(await isKept()).toBe(true);
    mesh.script = [{ say: 'one' }, 'hang'];
    for (let count = 0; count < MAX_CLIENT_KEPT_STREAMS; count += 1) expect(await isKept()).toBe(true);
    expect((await readOn(0, {}, '1'.padStart(32, '0'))).statusCode).toBe(404);
    expect(await isKept()).toBe(false);
  });

  it('AP165: past the bound of all the largest gives back what it holds, and whoever reads it reads on', async () => {
    const clock = new ManualClock();
    const app = fastify();
    boundUnreadReplies(app, silentLogger);
    registerKeptStreams(app, clock, 10_000);
    const writing = new Map<string, EventStream>();
    const aborts = new Map<string, AbortController>();
    app.post<{ Params: { job: string } }>('/v1/:job', (request, reply) => {
      const { job } = request.params;
      const abort = abortOnDisconnect(reply);
      aborts.set(job, abort);
      const write = (stream: EventStream) => {
        writing.set(job, stream);
        stream.send('hello');
        return new Promise<void>(() => {});
      };
      return streamReply({ reply, clock, logger: silentLogger, abort, job, write });
    });
    onTestFinished(() => app.close());
    const hangUp = createHangUp(app);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const open = (method: string, path: string) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { 'x-tabmesh-resume': '1' };
        httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, resolve)
          .on('error', reject)
          .end();
      });
    const read1 = await open('POST', '/v1/read');
    const left = await open('POST', '/v1/left');
    await hangUp(left);
    writing.get('read')?.send('x'.repeat(6000));
    writing.get('left')?.send('y'.repeat(3000));
    expect(app.keptStreams.keptChars).toBeGreaterThan(9000);
    writing.get('left')?.send('y'.repeat(1500));
    // The one that is read holds most: it goes on, and can't be read again.
    expect(app.keptStreams.keptChars).toBeLessThan(5000);
    expect(aborts.get('read')?.signal.aborted).toBe(false);
    expect((await open('GET', '/v1/streams/read')).statusCode).toBe(404);
    writing.get('read')?.send('still here');
    expect(await read(read1, 3)).toContain('still here');
    writing.get('left')?.send('y'.repeat(9000));
    expect(aborts.get('left')?.signal.aborted).toBe(true);
    expect(app.keptStreams.keptChars).toBe(0);
    await hangUp(read1);
    expect(aborts.get('read')?.signal.aborted).toBe(true);
  });

  it('AP166: a failure is an event as any other', async () => {
    const { script, letGo } = interrupted();
    const { MeshError } = await import('@tabmesh/shared');
    const failing = [...script.slice(0, 3), { fail: MeshError.peerLost(createIdentity(systemRandom).peerId) }];
    const { ask, readOn, hangUp } = await start(failing);
    const first = await ask();
    await read(first, 2);
    await hangUp(first);
    letGo();
    expect(await read(await readOn(2))).toMatch(/\n\nid: 4\ndata: \{"error"[^\n]*\n\n$/);
  });
});
