/** `npm start` and its commands as a user meets them: real processes, real signals, a real OpenAI client. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { root, runNode, tabmesh } from '../setup/command.ts';

const start = (env: NodeJS.ProcessEnv = {}) =>
  runNode([join(root, 'shared/setup/start.mjs'), '--no-open'], { PORT: '0', ...env });
const ready = /^TabMesh ready: (http:\/\/\S+)$/;

const descendants = (pid: number): number[] => {
  const children = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => Number(child));
  return children.flatMap((child) => [child, ...descendants(child)]);
};
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('npm start', () => {
  it('E2E2: chats as soon as it says ready, and Ctrl-C ends every process and frees the port', async () => {
    await using command = start();
    const [, url = ''] = await command.line(ready);
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const completion = await client.chat.completions.create({
      model: 'mesh-tiny',
      messages: [{ role: 'user', content: 'What does the router measure?' }],
      temperature: 0,
    });
    expect(completion.choices[0]?.message.content).toContain('router');
    expect(completion.usage?.completion_tokens).toBeGreaterThan(5);

    const pid = command.process.pid ?? 0;
    const processes = descendants(pid);
    expect(processes.length).toBeGreaterThanOrEqual(1);
    for (const one of [pid, ...processes]) {
      // A terminal's Ctrl-C reaches the whole group.
      if (isAlive(one)) process.kill(one, 'SIGINT');
    }
    expect(await command.exited()).toBe(0);
    expect(processes.filter(isAlive)).toEqual([]);
    await expect(fetch(url)).rejects.toThrow();
  });
});

describe('native peers', () => {
  it('E2E3: serve several models at once; a killed peer leaves the roster, and its models with it', async () => {
    await using entry = tabmesh(['entry'], { PORT: '0' });
    const [, url = ''] = await entry.line(ready);
    await using peer = tabmesh(['serve', '--model', 'mesh-tiny', '--model', 'mesh-mini', '--join', url]);
    const [, peerId = ''] = await peer.line(/^Serving mesh-tiny as (\S+)/);
    await peer.line(/^Serving mesh-mini as /);
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const served = async () => (await client.models.list()).data.map((model) => model.id).sort();
    expect(await served()).toEqual(['mesh-mini', 'mesh-tiny']);
    const answer = await client.chat.completions
      .create({ model: 'mesh-mini', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 8 })
      .withResponse();
    expect(answer.response.headers.get('x-tabmesh-peer')).toBe(peerId);

    peer.process.kill('SIGKILL');
    await peer.exited();
    await expect.poll(served, { timeout: 10_000, interval: 50 }).toEqual([]);
    await expect(
      client.chat.completions.create({ model: 'mesh-tiny', messages: [{ role: 'user', content: 'Hello' }] }),
    ).rejects.toMatchObject({ status: 503, code: 'no_peer_with_model' });
  });
});
