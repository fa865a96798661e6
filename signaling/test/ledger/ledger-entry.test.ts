import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, JobId, MeshError, ModelId, silentLogger, systemClock, systemRandom } from '@tabmesh/shared';
import { createScriptedEngine } from '@tabmesh/shared/testing';
import { afterEach, expect, it, vi } from 'vitest';
import { startMember, untilMesh } from '../../../tests/setup/test-mesh.ts';
import type { ContentEvent, OpenedAnswer } from '../../src/answers/opened-answer.ts';
import { startEntry } from '../../src/entry.ts';
import { countedAnswer } from '../../src/ledger/counted-answer.ts';
import { question } from '../setup/start-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('LD12: an entry that was stopped has its counts again after its next start', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tabmesh-ledger-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const start = async () => {
    const entry = await startEntry({
      host: '127.0.0.1',
      port: 0,
      identity: createIdentity(systemRandom),
      version: 'test',
      logger: silentLogger,
      ledgerPath: join(folder, 'ledger.sqlite'),
    });
    cleanups.push(() => entry.close());
    return entry;
  };
  const before = await start();
  const alice = startMember(before.url, createScriptedEngine({ clock: systemClock, scenario: 'steady' }));
  cleanups.push(() => alice.close());
  await untilMesh(before.mesh, () => before.mesh.defaultModel() !== undefined);
  const answer = await fetch(`${before.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(question),
  });
  expect(answer.status).toBe(200);
  await before.close();

  const after = await start();

  const reply = await fetch(`${after.url}/api/metrics`);
  expect(await reply.json()).toMatchObject({
    share: { day: { mesh: 1 } },
    week: { peers: [{ peerId: alice.peerId }] },
    milestones: [{ peerId: alice.peerId }],
  });
});

it('MX11: an answer between members counts like one of the API, and whoever asked is told of', async () => {
  const entry = await startEntry({
    host: '127.0.0.1',
    port: 0,
    identity: createIdentity(systemRandom),
    version: 'test',
    logger: silentLogger,
  });
  cleanups.push(() => entry.close());
  const alice = startMember(entry.url, createScriptedEngine({ clock: systemClock, scenario: 'steady' }));
  const bob = startMember(entry.url);
  cleanups.push(() => Promise.all([alice.close(), bob.close()]));
  await untilMesh(bob, () => bob.defaultModel() !== undefined);

  for await (const _ of bob.complete({ messages: [{ role: 'user', content: 'Hi' }] }, new AbortController().signal));

  await expect
    .poll(async () => (await fetch(`${entry.url}/api/metrics`)).json())
    .toMatchObject({
      share: { day: { mesh: 1, fallback: 0, failed: 0 } },
      week: { peers: [{ peerId: alice.peerId }] },
    });
  expect(await (await fetch(`${entry.url}/api/prometheus`)).text()).toMatch(
    /tabmesh_answers_total\{[^}]*mesh[^}]*\} 1/,
  );
});

it('MX6: an answer of the fallback provider counts as its own', async () => {
  const count = vi.fn();

  await readAll(await countedAnswer({ count }, opened([{ type: 'tokens', text: 'Hi', tokenCount: 1 }, END])));

  expect(count).toHaveBeenCalledExactlyOnceWith({
    servedBy: 'fallback',
    model: 'Qwen3-8B',
    completionTokens: 7,
    ttftMs: 80,
    tokensPerSecond: null,
  });
});

it('MX6: an answer that its reader gave up counts for nobody, and its job is left', async () => {
  const count = vi.fn();
  const left = vi.fn();
  const answer = await countedAnswer({ count }, opened([{ type: 'tokens', text: 'Hi', tokenCount: 1 }, END], left));

  for await (const event of answer.events) if (event.type === 'tokens') break;
  await expect(countedAnswer({ count }, Promise.reject(MeshError.cancelled()))).rejects.toThrow();

  expect(left).toHaveBeenCalledOnce();
  expect(count).not.toHaveBeenCalled();
});

const END: ContentEvent = {
  type: 'end',
  reason: 'stop',
  usage: { promptTokens: 5, completionTokens: 7, cachedTokens: 0 },
  ttftMs: 80,
  tokensPerSecond: null,
};

async function opened(events: readonly ContentEvent[], left = () => {}): Promise<OpenedAnswer> {
  async function* play() {
    try {
      yield* events;
    } finally {
      left();
    }
  }
  const jobId = JobId.parse('0'.repeat(32));
  return { jobId, model: ModelId.parse('Qwen3-8B'), peerId: null, events: play() };
}

async function readAll({ events }: OpenedAnswer): Promise<void> {
  for await (const event of events) if (event.type === 'end') return;
}
