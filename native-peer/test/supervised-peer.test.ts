/** The supervisor, with a script that dies as it is told and a clock that is turned by hand. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { supervisePeer } from '../src/peer/supervised-peer.ts';
import { temporaryFolder } from './temporary-folder.ts';

async function supervise(script: string) {
  const file = join(await temporaryFolder(), 'peer.mjs');
  await writeFile(file, script);
  const clock = new ManualClock();
  let told: () => void = () => {};
  const logger: Logger = { ...silentLogger, warn: () => told() };
  const death = () => new Promise<void>((resolve) => (told = resolve));
  let next = death();
  const peer = supervisePeer({ script: file, args: [], environment: process.env, clock, logger });
  onTestFinished(() => peer.close());
  const died = async () => {
    await next;
    next = death();
  };
  return { peer, clock, died };
}

describe('supervised peer', () => {
  it('CL15: a peer that dies is started again, later each time, and given up when it never lives', async () => {
    const { peer, clock, died } = await supervise('process.exit(3)');
    for (const pauseMs of [500, 1000, 2000]) {
      await died();
      await clock.advance(pauseMs);
    }
    await expect(peer.failed).rejects.toMatchObject({
      code: 'engine_failed',
      message: expect.stringContaining('tabmesh doctor'),
    });
  });

  it('CL16: a peer that does not go when it is told to is killed', async () => {
    const { peer, clock } = await supervise("process.on('disconnect', () => {}); setInterval(() => {}, 1000);");
    const closed = peer.close();
    await clock.advance(3000);
    await closed;
    await peer.close();
  });
});
