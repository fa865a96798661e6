/**
 * `tabmesh serve` with mesh-tiny, but so slow that things can happen in the middle of an answer, and with a grace that is
 * over before the answer is: `paced-peer.ts <entry's address> <ms per token>`. SIGUSR2: its next token fails the answer.
 */
import { join } from 'node:path';
import { createIdentity, silentLogger, systemRandom } from '@tabmesh/shared';
import { homePath, loadLlamaEngine, openHome, openServing } from 'tabmesh';
import { runService } from '../../native-peer/src/cli/run-service.ts';
import { BreakableEngine } from './breakable-engine.ts';
import { root } from './command.ts';

const [url = '', tokenIntervalMs = '10'] = process.argv.slice(2);
const GRACE_MS = 200;

await runService(async (stop) => {
  const file = join(root, 'shared/models/mesh-tiny.gguf');
  const llama = await loadLlamaEngine({ file, slots: 2, threads: 1, gpu: 'off' });
  const engine = new BreakableEngine(llama, Number(tokenIntervalMs));
  process.on('SIGUSR2', () => {
    engine.breaks = { at: 'next', how: 'fails' };
  });
  const identity = createIdentity(systemRandom);
  const { baselineFile } = await openHome(homePath());
  const serving = openServing({
    join: url,
    identity,
    logger: silentLogger,
    baselineFile,
    graceMs: GRACE_MS,
    onServing: () => console.log(`Serving as ${identity.peerId}`),
  });
  await serving.serve(engine, stop);
  return serving;
});
