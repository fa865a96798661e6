/** `tabmesh serve`: one native peer with one or more models. */
import { systemRandom } from '@tabmesh/shared';
import { Command, Option } from 'commander';
import { homePath, openHome } from '../home.ts';
import { openIdentity } from '../identity-file.ts';
import type { LoadProgress } from '../load-llama-engine.ts';
import { createLogger } from '../logging.ts';
import { ModelStore } from '../model-store.ts';
import { contextOption, gpuOption, httpUrl, integer, list, slotsOption, threadsOption } from '../options.ts';
import { createProgressBar } from '../progress-bar.ts';
import { repository } from '../repository.ts';
import { runService, type Service } from '../run-service.ts';

interface ServeOptions {
  readonly model: readonly string[];
  readonly join: string;
  readonly slots: number;
  readonly threads?: number;
  readonly context?: number;
  readonly gpu: 'auto' | 'off';
  readonly grace: number;
}

const DEFAULT_GRACE_SECONDS = 10;

export function serveCommand(): Command {
  return new Command('serve')
    .description('lend this machine: serve one or more models to a mesh')
    .addOption(
      new Option('--model <file-or-name...>', 'GGUF files or names of `tabmesh models ls`; with commas in the variable')
        .env('TABMESH_MODEL')
        .argParser(list)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--join <url>', "the entry's address")
        .env('TABMESH_JOIN')
        .argParser(httpUrl)
        .default('http://127.0.0.1:8080'),
    )
    .addOption(slotsOption())
    .addOption(threadsOption())
    .addOption(contextOption())
    .addOption(gpuOption())
    .addOption(
      new Option('--grace <seconds>', 'how long running answers may take to end when this peer leaves')
        .env('TABMESH_GRACE')
        .argParser(integer(0, 3600))
        .default(DEFAULT_GRACE_SECONDS),
    )
    .action((options: ServeOptions) => runService((stop) => serve(options, stop)));
}

async function serve(options: ServeOptions, stop: AbortSignal): Promise<Service> {
  const logger = createLogger('info');
  const home = await openHome(homePath());
  const store = new ModelStore({ home, embeddedPath: repository.models });
  const models = await Promise.all(options.model.map((name) => store.find(name)));
  const opened = await openIdentity(home.path, 'identity', systemRandom);
  try {
    const { startNativePeer } = await import('../serve-models.ts');
    const { freeMemoryBytes } = await import('../memory-fit.ts');
    const peer = await startNativePeer(
      {
        join: options.join,
        models,
        identity: opened.identity,
        slots: options.slots,
        threads: options.threads,
        contextTokens: options.context,
        gpu: options.gpu,
        hashCacheFile: home.hashCacheFile,
        baselineFile: home.baselineFile,
        graceMs: options.grace * 1000,
        logger,
        onProgress: loadProgress(),
        freeMemoryBytes: () => freeMemoryBytes({ gpu: options.gpu, logger }),
        onDropped: (sentence) => console.error(sentence),
        onServing: ({ model }) => console.log(`Serving ${model.id} as ${opened.identity.peerId}`),
      },
      stop,
    );
    return {
      failed: peer.failed,
      async close() {
        await peer.close();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Smaller files are there before a bar could be read. */
const BAR_FROM_BYTES = 100_000_000;

function loadProgress(): (progress: LoadProgress) => void {
  const bars = { check: createProgressBar('Checking'), load: createProgressBar('Loading ') };
  return ({ phase, doneBytes, totalBytes }) => {
    if (totalBytes < BAR_FROM_BYTES) return;
    bars[phase].update(doneBytes, totalBytes);
    if (doneBytes >= totalBytes) bars[phase].close();
  };
}
