/** A peer that was away is back by itself and answers: real processes, stopped and killed by real signals. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Mesh, ModelId } from '@tabmesh/shared';
import { describe, expect, it } from 'vitest';
import { root, runNode, tabmesh } from '../setup/command.ts';
import { TOKENS, takeHundredTokens } from '../setup/hundred-tokens.ts';
import { startMember, startTestEntry, untilMesh } from '../setup/test-mesh.ts';

const model = ModelId.parse('mesh-tiny');
/** A lost connection is noticed within their sum, and not after six seconds as usual. */
const PINGS = { pingIntervalMs: 200, pingTimeoutMs: 300 };
/** As the fourteen seconds of a laptop's lid are to the usual pings. */
const STALL_MS = 1_200;
const TOKEN_INTERVAL_MS = 15;

const serve = (url: string) =>
  runNode(['--import', 'tsx', join(root, 'tests/setup/paced-peer.ts'), url, `${TOKEN_INTERVAL_MS}`]);
const serves = (mesh: Mesh) => mesh.models().some(({ id, peers }) => id === model && peers.length === 1);

describe('a native peer that was away answers again', { timeout: 120_000 }, () => {
  it('SG53: after its process was stopped, three times, in the middle of an answer', async () => {
    await using entry = await disposableEntry();
    await using peer = serve(entry.url);
    await peer.line(/^Serving as/);
    for (let time = 0; time < 3; time += 1) {
      await untilMesh(entry.mesh, () => serves(entry.mesh));
      // The second one is announced a quarter of a second behind the first: by then the process stands still.
      const stop = (count: number) => count === 1 && peer.process.kill('SIGSTOP');
      const cutOff = [1, 2].map(() => expect(takeHundredTokens(entry.mesh, stop)).rejects.toThrow());
      await untilMesh(entry.mesh, () => !serves(entry.mesh));
      await setTimeout(STALL_MS);
      peer.process.kill('SIGCONT');
      await Promise.all(cutOff);
    }
    await untilMesh(entry.mesh, () => serves(entry.mesh));
    expect(await takeHundredTokens(entry.mesh)).toMatchObject({ tokenCount: TOKENS, reason: 'length', handovers: [] });
    expect(peer.process.exitCode).toBeNull();
  });

  it('SG53: after its entry was killed and started anew, and whoever asks is back as well', async () => {
    const port = await freePort();
    const start = async () => {
      const entry = tabmesh(['entry', '--port', `${port}`]);
      const [, url = ''] = await entry.line(/^TabMesh ready: (\S+)/);
      return { entry, url };
    };
    let { entry, url } = await start();
    await using peer = serve(url);
    await peer.line(/^Serving as/);
    const asker = startMember(url);
    await untilMesh(asker, () => serves(asker));
    try {
      for (let time = 0; time < 3; time += 1) {
        entry.process.kill('SIGKILL');
        await untilMesh(asker, () => asker.connection().state === 'offline');
        await entry[Symbol.asyncDispose]();
        ({ entry, url } = await start());
        await untilMesh(asker, () => asker.connection().state === 'online' && serves(asker));
        expect(await takeHundredTokens(asker)).toMatchObject({ tokenCount: TOKENS, reason: 'length' });
      }
    } finally {
      await asker.close();
      await entry[Symbol.asyncDispose]();
    }
    expect(peer.process.exitCode).toBeNull();
  });
});

async function disposableEntry() {
  const entry = await startTestEntry({ hubLimits: PINGS });
  return { ...entry, [Symbol.asyncDispose]: () => entry.close() };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
