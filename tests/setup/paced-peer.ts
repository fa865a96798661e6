/**
 * A native peer in a process of its own that serves mesh-tiny slowly enough to be killed in the middle of an answer:
 * `paced-peer.ts <entry's address> <ms per token>`.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Engine } from '@tabmesh/shared';
import { loadLlamaEngine } from 'tabmesh';
import { root } from './command.ts';
import { startMember } from './test-mesh.ts';

const [url = '', intervalMs = '10'] = process.argv.slice(2);

const engine = await loadLlamaEngine({
  file: join(root, 'shared/models/mesh-tiny.gguf'),
  slots: 1,
  threads: 1,
  gpu: 'off',
});
const paced: Engine = {
  model: engine.model,
  onLost: (listener) => engine.onLost(listener),
  close: () => engine.close(),
  async *generate(request, signal) {
    for await (const event of engine.generate(request, signal)) {
      await setTimeout(Number(intervalMs), undefined, { signal });
      yield event;
    }
  },
};
console.log(`Serving as ${startMember(url, paced).peerId}`);
