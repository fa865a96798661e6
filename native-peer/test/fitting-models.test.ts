/** Several models on a machine whose memory is made up. */
import { join } from 'node:path';
import { createIdentity, ModelId, silentLogger, systemRandom } from '@tabmesh/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type NativePeerOptions, startNativePeer } from '../src/llama/serve-models.ts';
import { MINI, TINY } from './embedded-models.ts';
import { writeHugeModel } from './huge-model.ts';
import { startTabmesh } from './tabmesh-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

const tiny = { id: ModelId.parse('mesh-tiny'), file: TINY };
const mini = { id: ModelId.parse('mesh-mini'), file: MINI };

/** What is served and what is said of the rest, by a peer that is asked for `models`. */
async function serve(models: NativePeerOptions['models'], freeBytes: number) {
  const home = await temporaryFolder();
  const entry = startTabmesh(['entry', '--port', '0'], { TABMESH_HOME: home });
  const [, url = ''] = await entry.prints(/TabMesh ready: (\S+)/);
  const served: string[] = [];
  const dropped: string[] = [];
  const options: NativePeerOptions = {
    join: url,
    models,
    identity: createIdentity(systemRandom),
    logger: silentLogger,
    baselineFile: join(home, 'baselines.json'),
    graceMs: 0,
    slots: 1,
    threads: 1,
    gpu: 'off',
    freeMemoryBytes: async () => freeBytes,
    onServing: ({ model }) => served.push(model.id),
    onDropped: (sentence) => dropped.push(sentence),
  };
  const peer = await startNativePeer(options, new AbortController().signal);
  onTestFinished(() => peer.close());
  const { data }: { data: { id: string }[] } = await (await fetch(new URL('/v1/models', url))).json();
  return { served, dropped, listed: data.map(({ id }) => id) };
}

describe('models that do not fit together', () => {
  it('NP39: of two models that fit alone but not together the smaller one is served', async () => {
    const { served, dropped, listed } = await serve([tiny, mini], 7e6);
    expect(served).toEqual(['mesh-mini']);
    expect(listed).toEqual(['mesh-mini']);
    expect(dropped).toEqual([
      'mesh-tiny is not served: it needs 6.2 MB of memory, but beside the smaller ones only 5.7 MB are free.',
    ]);
  });

  it('NP39: models that fit together are all served', async () => {
    const { served, dropped, listed } = await serve([tiny, mini], 8e6);
    expect(served).toEqual(['mesh-tiny', 'mesh-mini']);
    expect(listed).toEqual(['mesh-mini', 'mesh-tiny']);
    expect(dropped).toEqual([]);
  });

  it('NP40: a model for which loading finds no memory is left out, and the others are served', async () => {
    const file = join(await temporaryFolder(), 'huge.gguf');
    await writeHugeModel(file);
    const { served, dropped } = await serve([{ id: ModelId.parse('huge'), file }, mini], Number.MAX_SAFE_INTEGER);
    expect(served).toEqual(['mesh-mini']);
    expect(dropped).toEqual([expect.stringMatching(/^huge is not served\. huge\.gguf needs .* smaller model\.$/)]);
  });

  it('NP41: when none fits, serving is refused as out_of_memory with the smallest', async () => {
    await expect(serve([tiny, mini], 1e6)).rejects.toMatchObject({
      code: 'out_of_memory',
      message: expect.stringMatching(
        /^None .* mesh-mini, the smallest, needs 1\.3 MB of memory, but 1\.0 MB are free\./,
      ),
    });
  });
});
