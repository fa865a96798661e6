/** The README's walk through a new engine, literally: its files are what the README prints, and what they lend answers. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, silentLogger, systemRandom } from '@tabmesh/shared';
import { startEntry } from '@tabmesh/signaling';
import { expect, it, onTestFinished, vi } from 'vitest';
import { lend } from './lend.ts';
import { createShoutEngine } from './shout-engine.ts';

it.each(['shout-engine.test.ts', 'lend.ts'])('EN130: the README prints %s as it is', async (name) => {
  const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
  expect(readme).toContain(await readFile(join(import.meta.dirname, name), 'utf8'));
});

it('EN130: what is lent by the walk answers at an entry', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-walk-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const identity = createIdentity(systemRandom);
  const entry = await startEntry({ host: '127.0.0.1', port: 0, identity, version: '0', logger: silentLogger });
  onTestFinished(() => entry.close());
  const told = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => told.mockRestore());
  const leave = await lend(createShoutEngine(), entry.url, join(folder, 'baselines.json'));
  onTestFinished(leave);
  expect(told).toHaveBeenCalledWith('Serving shout');
  const response = await fetch(`${entry.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'shout', messages: [{ role: 'user', content: 'hello there' }] }),
  });
  expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'HELLO THERE' } }] });
});
