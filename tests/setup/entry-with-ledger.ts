/** An entry whose ledger already holds answers: written by a real ledger under a clock of its own, read by a real entry. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, ModelId, silentLogger, systemRandom } from '@tabmesh/shared';
import { createSeededRandom } from '@tabmesh/shared/testing';
import { type Entry, startEntry } from '@tabmesh/signaling';
import { type CountedAnswer, createLedger } from '../../signaling/src/ledger/ledger.ts';
import { openSqliteStorage } from '../../signaling/src/ledger/sqlite-storage.ts';
import { root } from './command.ts';

export interface PastAnswer {
  readonly agoMs: number;
  readonly answer: CountedAnswer;
}

const HOUR_MS = 3_600_000;

export async function startEntryWithLedger(past: readonly PastAnswer[]): Promise<Entry & AsyncDisposable> {
  const folder = mkdtempSync(join(tmpdir(), 'tabmesh-ledger-'));
  const ledgerPath = join(folder, 'ledger.sqlite');
  await writeLedger(ledgerPath, past);
  const entry = await startEntry({
    host: '127.0.0.1',
    port: 0,
    webRoot: join(root, 'client/dist'),
    modelRoot: join(root, 'shared/models'),
    identity: createIdentity(systemRandom),
    version: '0.0.0-test',
    logger: silentLogger,
    ledgerPath,
  });
  const close = async () => {
    await entry.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...entry, close, [Symbol.asyncDispose]: close };
}

/** A month as a small mesh has it: busy by day, quiet by night, three models and now and then the provider outside. */
export function monthOfAnswers(count: number): PastAnswer[] {
  const random = createSeededRandom(7);
  const peers = Array.from({ length: 7 }, () => createIdentity(random).peerId);
  const models = [
    { id: ModelId.parse('Qwen3-8B'), until: 0.55, ttftMs: 180, rate: 44, peers: peers.slice(0, 3) },
    { id: ModelId.parse('Llama-3.2-3B'), until: 0.85, ttftMs: 95, rate: 71, peers: peers.slice(2, 6) },
    { id: ModelId.parse('mesh-tiny'), until: 1, ttftMs: 12, rate: 900, peers: peers.slice(5) },
  ];
  const spread = (middle: number) => middle * Math.exp((random.float() + random.float() + random.float() - 1.5) * 0.8);
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random.float() ** 1.7 * items.length)];
  const answers: PastAnswer[] = [];
  while (answers.length < count) {
    const agoMs = random.float() * 719 * HOUR_MS;
    const hour = new Date(Date.now() - agoMs).getHours();
    if (random.float() > 0.12 + 0.88 * Math.max(0, Math.sin(((hour - 6) / 16) * Math.PI))) continue;
    const drawn = random.float();
    const model = models.find(({ until }) => drawn < until);
    const peerId = pick(model?.peers ?? []);
    if (model === undefined || peerId === undefined) continue;
    const figures = {
      model: model.id,
      completionTokens: 20 + Math.floor(random.float() * 400),
      ttftMs: spread(model.ttftMs),
      tokensPerSecond: spread(model.rate),
    };
    const lot = random.float();
    if (lot < 0.006) answers.push({ agoMs, answer: { servedBy: 'failed' } });
    else if (lot < 0.024 && model.id === 'Qwen3-8B')
      answers.push({ agoMs, answer: { servedBy: 'fallback', ...figures } });
    else answers.push({ agoMs, answer: { servedBy: 'mesh', peerId, ...figures } });
  }
  return answers;
}

async function writeLedger(path: string, past: readonly PastAnswer[]): Promise<void> {
  const nowMs = Date.now();
  let wallMs = nowMs;
  const ledger = createLedger({
    storage: openSqliteStorage(path),
    askedBy: createIdentity(systemRandom).peerId,
    clock: { wallMs: () => wallMs, monotonicMs: () => 0, after: () => () => {}, soon() {} },
    random: systemRandom,
    logger: silentLogger,
  });
  // Oldest first, as they came: the first of a model is its milestone.
  for (const { agoMs, answer } of [...past].sort((a, b) => b.agoMs - a.agoMs)) {
    wallMs = Math.floor(nowMs - agoMs);
    ledger.count(answer);
  }
  await ledger.close();
}
