/** A clone where other people have theirs, and one on a machine for which npm has no llama.cpp. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOpenAiServer } from '../../native-peer/test/http-engine/openai-server.ts';
import { runNode } from '../setup/command.ts';
import { copyRepository } from '../setup/copied-repository.ts';

/** It builds the web app as well. */
const FIRST_START_MS = 180_000;
const READY = /^TabMesh ready: (http:\/\/\S+)$/;
const MISSING = /llama\.cpp is missing, .*: npm install --no-save @node-llama-cpp\/\S+@\d/;

let parent = '';
let folder = '';

beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), "tabmesh Zoë's 文件 "));
  folder = join(parent, 'my clone (1)');
  copyRepository(folder);
});

afterAll(() => rmSync(parent, { recursive: true, force: true }));

const environment = (home: string) => ({ PORT: '0', TABMESH_LOG: 'warn', TABMESH_HOME: join(parent, home) });
const tabmesh = (args: readonly string[], home: string) =>
  runNode([join(folder, 'native-peer/bin/tabmesh.js'), ...args], environment(home));
const ask = (url: string) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'mesh-tiny', messages: [{ role: 'user', content: 'Hello' }] }),
  });

describe('a clone', () => {
  it(
    'SU14: starts in a folder with blanks, brackets, quotes and letters of other scripts, its home likewise',
    async () => {
      await using start = runNode([join(folder, 'shared/setup/start.mjs'), '--no-open'], environment('Zoë’s home'));
      const [, url = ''] = await start.line(READY);
      expect((await ask(url)).status).toBe(200);
      expect(await (await fetch(url)).text()).toContain('<title>');
      start.process.kill('SIGINT');
      expect(await start.exited()).toBe(0);
    },
    FIRST_START_MS,
  );

  describe('without llama.cpp', () => {
    beforeAll(() => rmSync(join(folder, 'node_modules/@node-llama-cpp')));

    it('SU15: runs the entry and the web app, and says in one sentence what is missing', async () => {
      await using up = tabmesh(['up', '--no-open'], 'bare');
      const [, url = ''] = await up.line(READY);
      expect(up.output()).toMatch(MISSING);
      expect(await (await fetch(url)).text()).toContain('<title>');
      expect((await ask(url)).status).toBe(503);
      up.process.kill('SIGINT');
      expect(await up.exited()).toBe(0);
    });

    it('SU15: serves the models of another server, and refuses its own in one sentence', async () => {
      await using entry = tabmesh(['entry'], 'bare');
      const [, url = ''] = await entry.line(READY);
      await using refused = tabmesh(['serve', '--model', 'mesh-tiny', '--join', url], 'bare');
      expect(await refused.exited()).toBe(1);
      expect(refused.output()).toMatch(MISSING);
      expect(refused.output().split('\n')).toHaveLength(1);

      const server = await startOpenAiServer('llama-server');
      const engine = ['--engine', 'openai', '--url', server.url, '--model', 'mesh-tiny'];
      await using peer = tabmesh(['serve', ...engine, '--join', url], 'bare');
      await peer.line(/^Serving mesh-tiny as /);
      expect((await ask(url)).status).toBe(200);
      await server.close();
    });

    it('SU17: names the slim form of the command where the slim way was chosen', async () => {
      writeFileSync(join(folder, 'node_modules/.tabmesh-stamp'), JSON.stringify({ isSlim: true, absent: [] }));
      await using doctor = tabmesh(['doctor'], 'bare');
      await doctor.exited();
      rmSync(join(folder, 'node_modules/.tabmesh-stamp'));
      expect(doctor.output()).toMatch(/: npm install --no-save .*--omit=optional .*@node-llama-cpp\/\S+@\d/);
    });

    it('SU15: doctor and the list of models say the same and go on', async () => {
      await using doctor = tabmesh(['doctor'], 'bare');
      expect(await doctor.exited()).toBe(1);
      expect(doctor.output()).toMatch(/^PROBLEM llama\.cpp +not installed\n +llama\.cpp is missing/m);
      expect(doctor.output()).toMatch(/^ok +webrtc/m);
      await using models = tabmesh(['models', 'ls'], 'bare');
      expect(await models.exited()).toBe(0);
      expect(models.output()).toContain('mesh-tiny');
    });
  });
});
