/** Plain `curl`, as a shell script uses it; and the entry's keys as an operator sets them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger } from '@tabmesh/shared';
import { openEntry } from 'tabmesh';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { tabmesh } from '../setup/command.ts';
import { type AnsweringMesh, BREAK, HANG, startAnsweringMesh } from './answering-mesh.ts';

let mesh: AnsweringMesh;
beforeAll(async () => {
  mesh = await startAnsweringMesh();
});
afterAll(() => mesh?.close());

const messages = (content: string) => [{ role: 'user', content }];
const schema = { type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'number' } } };
const weather = { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };

describe('curl', () => {
  it('AP92: chats', async () => {
    const { status, body } = await post('chat/completions', { messages: messages('How are you?') });
    expect(status).toBe(200);
    expect(JSON.parse(body).choices[0].message.content).toBe('How are you?');
  });

  it('AP92: -N streams, and Ctrl-C frees the peer', async () => {
    const child = spawn('curl', [
      '-sN',
      ...postArguments('chat/completions', { messages: messages(HANG), stream: true }),
    ]);
    await untilPrinted(child, '"Wel"');
    child.kill('SIGINT');
    await once(child, 'close');
    await mesh.untilIdle();
  });

  it('AP92: -N streams every endpoint to its end', async () => {
    const chat = await post('chat/completions', { messages: messages('Hi'), stream: true });
    const completion = await post('completions', { prompt: 'Hi', stream: true });
    const response = await post('responses', { input: 'Hi', stream: true });
    for (const { body } of [chat, completion]) expect(body).toMatch(/^data: \{[\s\S]*\n\ndata: \[DONE\]\n\n$/);
    expect(response.body).toMatch(/^event: response\.created\n[\s\S]*\n\nevent: response\.completed\ndata: .*\n\n$/);
  });

  it('AP92: has functions called and gets JSON by a schema', async () => {
    const tools = [{ type: 'function', function: weather }];
    const called = await post('chat/completions', { messages: messages('How warm is it?'), tools });
    const json = await post('chat/completions', {
      messages: messages('Where?'),
      response_format: { type: 'json_schema', json_schema: { name: 'place', schema } },
    });
    const response = await post('responses', { input: 'How warm is it?', tools: [{ type: 'function', ...weather }] });

    const call = { name: 'weather', arguments: '{"city":"Paris"}' };
    expect(JSON.parse(called.body).choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ type: 'function', function: call }] },
    });
    expect(JSON.parse(JSON.parse(json.body).choices[0].message.content)).toEqual({ city: 'Paris', degrees: 21 });
    expect(JSON.parse(response.body).output).toMatchObject([{ type: 'message' }, { type: 'function_call', ...call }]);
  });

  it('AP92: embeds', async () => {
    const { body } = await post('embeddings', { input: ['a', 'bcd'] });
    expect(JSON.parse(body)).toMatchObject({ data: [{ index: 0 }, { index: 1 }], usage: { total_tokens: 2 } });
  });

  it('AP92: is told errors as a status and a sentence, and in the middle of a stream as its last event', async () => {
    const unknown = await post('embeddings', { model: 'nothing-like-it', input: 'a' });
    const wrong = await post('responses', { input: 'Hi', background: true, store: false });
    const broken = await post('responses', { input: BREAK, stream: true });
    expect(unknown.status).toBe(404);
    expect(wrong.status).toBe(400);
    for (const { body } of [unknown, wrong]) expect(JSON.parse(body).error.message).toMatch(/\.$/);
    expect(broken.body).toMatch(/\nevent: response\.failed\ndata: .*"code":"upstream_failed".*\n\n$/);
  });
});

describe('the keys of an entry', () => {
  const key = 'k9x8w7v6u5t4s3r2';
  const TABMESH_API_KEYS = `alice:${key}`;

  it('KY2: come from TABMESH_API_KEYS, their limit and origins from variables beside it', async () => {
    await using entry = tabmesh(['entry'], {
      PORT: '0',
      TABMESH_API_KEYS,
      TABMESH_API_KEY_LIMIT: '2',
      TABMESH_CORS_ORIGINS: 'https://app.example',
    });
    const [, url = ''] = await entry.line(/^TabMesh ready: (http:\/\/\S+)$/);
    const models = (...args: string[]) => curl(`${url}/v1/models`, '-H', 'origin: https://app.example', ...args);
    const bearer = ['-H', `authorization: Bearer ${key}`];

    expect((await models()).status).toBe(401);
    expect(await models(...bearer)).toMatchObject({ status: 200, body: '{"object":"list","data":[]}' });
    expect((await models(...bearer, '-i')).body).toContain('access-control-allow-origin: https://app.example');
    expect((await models(...bearer)).status).toBe(429);
    expect((await curl(`${url}/api/status`)).status).toBe(200);
    expect(entry.output()).not.toContain(key);
  });

  it('KY5: that make no sense keep the entry from starting', async () => {
    await using entry = tabmesh(['entry'], { PORT: '0', TABMESH_API_KEYS: 'alice:secret' });
    expect(await entry.exited()).toBe(1);
    expect(entry.output()).toContain('TABMESH_API_KEYS');
    expect(entry.output()).not.toContain('secret');
  });

  it('KY6: are out of the environment once the entry runs', async () => {
    const home = mkdtempSync(join(tmpdir(), 'tabmesh-home-'));
    vi.stubEnv('TABMESH_HOME', home);
    vi.stubEnv('TABMESH_API_KEYS', TABMESH_API_KEYS);
    const entry = await openEntry({ host: '127.0.0.1', port: 0, isPublic: false, logger: silentLogger });
    onTestFinished(async () => {
      await entry.close();
      vi.unstubAllEnvs();
      rmSync(home, { recursive: true, force: true });
    });
    expect(process.env.TABMESH_API_KEYS).toBeUndefined();
    expect((await curl(`${entry.url}/v1/models`)).status).toBe(401);
  });
});

function postArguments(endpoint: string, body: object): string[] {
  const json = JSON.stringify(body);
  return [`${mesh.baseURL}/${endpoint}`, '-H', 'content-type: application/json', '-d', json];
}

function post(endpoint: string, body: object) {
  return curl('-N', ...postArguments(endpoint, body));
}

const run = promisify(execFile);

async function curl(...args: readonly string[]): Promise<{ readonly status: number; readonly body: string }> {
  const { stdout, stderr } = await run('curl', ['-s', '-w', '%{stderr}%{http_code}', ...args]);
  return { status: Number(stderr), body: stdout };
}

function untilPrinted(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let printed = '';
    child.stdout?.on('data', (data) => {
      printed += data;
      if (printed.includes(text)) resolve();
    });
    child.once('close', () => reject(new Error(`curl ended without '${text}': ${printed}`)));
  });
}
