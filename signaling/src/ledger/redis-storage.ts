/**
 * The ledger in Redis, which several entries may share: a hash per hour and kind, and scripts, so that a batch whose reply
 * was lost with the connection can be sent again without counting twice.
 */
import { doublingMs } from '@tabmesh/shared';
import { createClient } from 'redis';
import { z } from 'zod';
import {
  REDIS_BATCH_REMEMBERED_S,
  REDIS_FIRST_RECONNECT_MS,
  REDIS_MAX_RECONNECT_MS,
  REDIS_SILENCE_MS,
} from '../limits/limits.ts';
import { type CountKind, DAY_MS, type LedgerStorage, type Milestone } from './ledger-storage.ts';

/** The braces keep all keys together in a cluster. */
const PREFIX = '{tabmesh-ledger}:';
const STARTS = `${PREFIX}starts`;
const MILESTONES = `${PREFIX}milestones`;

const RECONNECTS = { firstMs: REDIS_FIRST_RECONNECT_MS, longestMs: REDIS_MAX_RECONNECT_MS };

const WRITE = `
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
local batch = cjson.decode(ARGV[2])
for _, count in ipairs(batch.counts) do
  redis.call('HINCRBY', KEYS[4] .. count[1] .. ':' .. count[2], count[3], count[4])
  redis.call('ZADD', KEYS[2], count[1], count[1])
end
for _, milestone in ipairs(batch.milestones) do
  redis.call('HSETNX', KEYS[3], milestone[1], milestone[2])
end
return 1`;

const ROLL_UP = `
for _, kind in ipairs(cjson.decode(ARGV[3])) do
  local hour = KEYS[2] .. ARGV[1] .. ':' .. kind
  local counts = redis.call('HGETALL', hour)
  for place = 1, #counts, 2 do
    redis.call('HINCRBY', KEYS[2] .. ARGV[2] .. ':' .. kind, counts[place], counts[place + 1])
  end
  redis.call('DEL', hour)
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1`;

const KINDS: readonly CountKind[] = ['answers', 'tokens-served', 'tokens-asked', 'ttft', 'rate'];

const StoredMilestone = z.object({
  model: z.string(),
  atMs: z.number(),
  peerId: z.string(),
  peerName: z.string(),
  ttftMs: z.number(),
  tokensPerSecond: z.number().nullable(),
});

/** Of the first attempt to connect. */
const ignore: (error: Error) => void = () => {};

/** Connects by itself, now and whenever the connection was lost; until then every call fails at once. */
export function openRedisStorage(url: string, { silenceMs = REDIS_SILENCE_MS, onAway = ignore } = {}): LedgerStorage {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    pingInterval: silenceMs / 3,
    socket: {
      socketTimeout: silenceMs,
      // The client's own strategy gives up for good after a silence.
      reconnectStrategy: (retries) => doublingMs(retries, RECONNECTS),
    },
  });
  // Later on the call that fails tells; the event would end the process if nobody listened.
  client.once('error', (error: Error) => {
    if (!client.isReady) onAway(error);
  });
  client.on('error', () => {});
  client.connect().catch(() => {});

  return {
    async write({ id, counts, milestones }) {
      await client.eval(WRITE, {
        keys: [`${PREFIX}batch:${id}`, STARTS, MILESTONES, PREFIX],
        arguments: [
          String(REDIS_BATCH_REMEMBERED_S),
          JSON.stringify({
            counts: counts.map(({ startMs, kind, model, detail, n }) => [
              String(startMs),
              kind,
              `${model}|${detail}`,
              String(n),
            ]),
            milestones: milestones.map((milestone) => [milestone.model, JSON.stringify(milestone)]),
          }),
        ],
      });
    },
    async read(fromMs, kinds) {
      const starts = await client.zRangeByScore(STARTS, fromMs, '+inf');
      const hashes = starts.flatMap((start) => kinds.map((kind) => ({ start, kind })));
      // All in one turn: they leave and come back together.
      const rows = hashes.map(async ({ start, kind }) => {
        const counts = await client.hGetAll(`${PREFIX}${start}:${kind}`);
        return Object.entries(counts).map(([field, n]) => {
          const [model = '', detail = ''] = field.split('|');
          return { startMs: Number(start), kind, model, detail, n: Number(n) };
        });
      });
      return (await Promise.all(rows)).flat();
    },
    async milestones() {
      const stored = Object.values(await client.hGetAll(MILESTONES));
      return stored.map((text): Milestone => StoredMilestone.parse(JSON.parse(text))).sort((a, b) => a.atMs - b.atMs);
    },
    async forgetMilestones(models) {
      if (models.length > 0) await client.hDel(MILESTONES, [...models]);
    },
    async rollUp(beforeAtMs) {
      const starts = await client.zRangeByScore(STARTS, '-inf', `(${beforeAtMs}`);
      for (const start of starts) {
        const dayStartMs = Number(start) - (Number(start) % DAY_MS);
        if (Number(start) === dayStartMs) continue;
        await client.eval(ROLL_UP, {
          keys: [STARTS, PREFIX],
          arguments: [start, String(dayStartMs), JSON.stringify(KINDS)],
        });
      }
    },
    async close() {
      if (client.isReady) await client.close();
      else if (client.isOpen) client.destroy();
    },
  };
}
