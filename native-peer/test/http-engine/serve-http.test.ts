/** `tabmesh serve` with models of another server, as processes. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, startTabmesh } from '../tabmesh-process.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { startOpenAiServer } from './openai-server.ts';

async function openAiServer(port?: number) {
  const server = await startOpenAiServer('llama-server', port);
  onTestFinished(() => server.close());
  return server;
}

async function listedAt(url: string): Promise<string[]> {
  const { data }: { data: { id: string }[] } = await (await fetch(new URL('/v1/models', url))).json();
  return data.map(({ id }) => id);
}

describe('serve --engine openai', () => {
  it('HE28: serves the models of a server; they leave the mesh with it, and come back with it', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder(), TABMESH_ENGINE_KEY: 'secret' };
    const entry = startTabmesh(['entry', '--port', '0'], environment);
    const [, url = ''] = await entry.prints(/TabMesh ready: (\S+)/);
    const server = await openAiServer();
    const args = ['--engine', 'openai', '--url', server.url, '--model', 'mesh-tiny', '--join', url];
    const peer = startTabmesh(['serve', ...args], environment);
    await peer.prints(/^Serving mesh-tiny as \S+$/m);
    const answer = await chat(url, 'Hello');
    expect(answer).toMatchObject({ status: 200, text: expect.stringMatching(/\S/) });
    expect(server.requests.at(-1)?.authorization).toBe('Bearer secret');

    await server.close();
    expect((await chat(url, 'Hello')).status).toBeGreaterThanOrEqual(500);
    while ((await listedAt(url)).length > 0) await new Promise(setImmediate);

    await openAiServer(Number(new URL(server.url).port));
    await peer.prints(/^Serving mesh-tiny as (\S+)\nServing mesh-tiny as \1$/m);
    expect(await chat(url, 'Hello')).toEqual(answer);
    peer.child.kill('SIGINT');
    const { code, stderr } = await peer.ended;
    expect(code).toBe(0);
    expect(stderr).toContain('is gone; it is looked for again');
    expect(stderr).not.toContain('secret');
  });

  it.each([
    [['--url', 'http://127.0.0.1:1'], '--url needs to know the protocol'],
    [['--engine', 'openai'], '--engine openai needs --url'],
    [['--engine', 'openai', '--url', 'http://me:pass@127.0.0.1:1'], 'TABMESH_ENGINE_KEY'],
    [['--engine', 'ollama', '--url', 'http://127.0.0.1:1'], 'No server can be reached at http://127.0.0.1:1.'],
  ])('HE29: %j is refused in one sentence that says what to do', async (args, sentence) => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const { code, stdout, stderr } = await startTabmesh(['serve', '--model', 'x', ...args], environment).ended;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(sentence)]);
    expect(stderr).not.toContain('pass@');
  });

  it('HE29: an engine that there is not is refused with the names of those that there are', async () => {
    const environment = { TABMESH_HOME: await temporaryFolder() };
    const { code, stderr } = await startTabmesh(['serve', 'x', '--engine', 'nosuch'], environment).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('Allowed choices are llama, openai, ollama.');
  });
});
