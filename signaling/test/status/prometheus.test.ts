import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ModelId } from '@tabmesh/shared';
import { afterEach, expect, it } from 'vitest';
import { ensurePromtool, INSTALL_TIMEOUT_MS } from '../../../tests/setup/debian-program.ts';
import { question } from '../setup/start-server.ts';
import { startWithLedger } from '../setup/start-with-ledger.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it(
  "MX8: Prometheus' own checker finds no fault in the text",
  async () => {
    const promtool = await ensurePromtool();
    const { ask, scrape } = startServer();
    await ask(question);

    const checker = spawn(promtool, ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
    let complaints = '';
    for (const stream of [checker.stdout, checker.stderr]) {
      stream.on('data', (chunk) => {
        complaints += String(chunk);
      });
    }
    checker.stdin.end(await scrape());
    const [code] = await once(checker, 'close');

    expect({ code, complaints }).toEqual({ code: 0, complaints: '' });
  },
  INSTALL_TIMEOUT_MS,
);

it('MX9: has the answers by who served them, their tokens, times and rates, the mesh and the process', async () => {
  const { ask, scrape } = startServer();
  await ask(question);

  const text = await scrape();

  expect(text).toContain('tabmesh_answers_total{served_by="mesh"} 1');
  expect(text).toContain('tabmesh_answers_total{served_by="fallback"} 0');
  expect(text).toContain('tabmesh_answer_tokens_total{served_by="mesh",model="mesh-tiny"} 2');
  expect(text).toContain('tabmesh_answer_ttft_seconds_sum{served_by="mesh",model="mesh-tiny"} 0.08');
  expect(text).toContain('tabmesh_answer_rate_tokens_per_second_sum{served_by="mesh",model="mesh-tiny"} 40');
  expect(text).toContain('tabmesh_peers{kind="native"} 1');
  expect(text).toContain('tabmesh_models 1');
  expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
});

it('MX10: two entries of one process count each for itself, and model names can not fill the memory', async () => {
  const alice = startServer();
  const bob = startServer();
  for (let index = 0; index < 300; index += 1) {
    const model = ModelId.parse(`model-${index}`);
    alice.ledger.count({ servedBy: 'fallback', model, completionTokens: 1, ttftMs: 10, tokensPerSecond: null });
  }

  const text = await alice.scrape();

  expect(text.match(/^tabmesh_answer_tokens_total\{/gm)).toHaveLength(101);
  expect(text).toContain('tabmesh_answer_tokens_total{served_by="fallback",model="other"} 200');
  expect(await bob.scrape()).toContain('tabmesh_answers_total{served_by="fallback"} 0');
});

function startServer() {
  const server = startWithLedger();
  cleanups.push(server.close);
  return {
    ...server,
    async scrape() {
      const reply = await server.app.inject({ url: '/api/prometheus' });
      expect(reply.headers['content-type']).toContain('text/plain');
      return reply.body;
    },
  };
}
