/** Entry and native peers as processes, over real WebRTC. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MINI } from './embedded-models.ts';
import { writeHugeModel } from './huge-model.ts';
import { chat, startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

async function startEntry(environment: Record<string, string>) {
  const entry = startTabmesh(['entry', '--port', '0'], environment);
  const [, url = ''] = await entry.prints(/TabMesh ready: (\S+)/);
  return { entry, url };
}

describe('native peer', () => {
  it('CL9: serve joins an entry, says so once its models answer, and answers chats over WebRTC', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const { entry, url } = await startEntry(environment);
    const peer = startTabmesh(['serve', '--model', 'mesh-tiny', MINI, '--join', url], environment);
    const [, peerId] = await peer.prints(/^Serving mesh-tiny as ([A-Za-z0-9_-]{43})$/m);
    await peer.prints(new RegExp(`^Serving mesh-mini as ${peerId}$`, 'm'));
    expect(await chat(url, 'Count to five.')).toMatchObject({ status: 200, text: expect.stringContaining('1, 2, 3') });

    peer.child.kill('SIGINT');
    expect((await peer.ended).code).toBe(0);
    expect((await chat(url, 'Hello')).status).toBe(503);
    entry.child.kill('SIGTERM');
    expect((await entry.ended).code).toBe(0);
  });

  it('CL10: two peers of one home have two keys, and each comes back with its own', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const { url } = await startEntry(environment);
    const serve = () => startTabmesh(['serve', '--model', 'mesh-mini', '--join', url], environment);
    const idOf = async (peer: ReturnType<typeof serve>) => (await peer.prints(/Serving \S+ as (\S+)/))[1];
    const alice = serve();
    const aliceId = await idOf(alice);
    const bob = serve();
    expect(await idOf(bob)).not.toBe(aliceId);
    // No goodbye: its lock stays behind.
    alice.child.kill('SIGKILL');
    await alice.ended;
    expect(await idOf(serve())).toBe(aliceId);
  });

  it('CL11: a peer whose parent is gone ends by itself', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const { url } = await startEntry(environment);
    const peer = startTabmesh(['serve', '--model', 'mesh-mini', '--join', url], environment, 'ipc');
    await peer.prints(/Serving/);
    const exited = once(peer.child, 'exit');
    peer.child.disconnect();
    expect(await exited).toEqual([0, null]);
  });

  it('CL12: a peer that is told to stop finishes the answer it is giving', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const { url } = await startEntry(environment);
    const peer = startTabmesh(['serve', '--model', 'mesh-tiny', '--join', url], environment);
    await peer.prints(/Serving/);
    const whole = await chat(url, 'Tell me a story about a fox.');
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'mesh-tiny',
        temperature: 0,
        stream: true,
        messages: [{ role: 'user', content: 'Tell me a story about a fox.' }],
      }),
    });
    peer.child.kill('SIGINT');
    const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
    const chunks: { choices: { delta: { content?: string } }[] }[] = lines.map((line) => JSON.parse(line.slice(6)));
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(whole.text);
    expect((await peer.ended).code).toBe(0);
  });
});

describe('models that do not fit', () => {
  it('CL22: one sentence says which model is left out, and the others are served', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const huge = join(environment.TABMESH_HOME, 'huge.gguf');
    await writeHugeModel(huge);
    const { url } = await startEntry(environment);
    const peer = startTabmesh(['serve', '--model', huge, '--model', MINI, '--join', url], environment);
    await peer.prints(/^Serving mesh-mini as/m);
    peer.child.kill('SIGINT');
    const { code, stdout, stderr } = await peer.ended;
    expect(code).toBe(0);
    expect(stdout).not.toContain('huge');
    expect(stderr).toMatch(/^huge is not served: it needs [\d.]+ GB of memory, but [\d.]+ GB are free\.$/m);
  });

  it('CL22: when none fits, the command fails with out_of_memory', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const files = ['huge.gguf', 'huge-too.gguf'].map((name) => join(environment.TABMESH_HOME, name));
    for (const file of files) await writeHugeModel(file);
    const { code, stdout, stderr } = await startTabmesh(['serve', '--model', ...files], environment).ended;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^None of these models fits: .* smaller model\. \(out_of_memory\)$/m);
  });
});

describe('tabmesh up', () => {
  it('CL13: brings chat up, and Ctrl-C ends every process and frees the port', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder(), PORT: '0' };
    const up = startTabmesh(['up'], environment);
    const [, url = ''] = await up.prints(/TabMesh ready: (\S+)/);
    expect((await chat(url, 'Count to five.')).text).toContain('1, 2, 3');
    expect((await fetch(url)).headers.get('content-type')).toContain('text/html');
    up.child.kill('SIGINT');
    expect((await up.ended).code).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('CL14: when it is killed, its native peer goes as well', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder(), PORT: '0' };
    const up = startTabmesh(['up'], environment);
    await up.prints(/TabMesh ready/);
    up.child.kill('SIGKILL');
    // The peer holds the same stdout: it has ended when that is closed.
    await up.ended;
  });

  it('CL17: npm start ends everything when npm alone is told to stop', async () => {
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const environment = {
      ...process.env,
      TABMESH_HOME: await temporaryFolder(),
      PORT: '0',
      CI: '1',
      TABMESH_THREADS: '1',
    };
    const npm = spawn('npm', ['start'], { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void npm.kill('SIGKILL'));
    const ended = once(npm, 'close');
    for await (const chunk of npm.stdout) if (String(chunk).includes('TabMesh ready')) npm.kill('SIGTERM');
    await ended;
  });
});
