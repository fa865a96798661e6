/** What `tabmesh serve` does. */
import { MeshError, systemRandom } from '@tabmesh/shared';
import { type Home, homePath, openHome } from '../../home/home.ts';
import { openIdentity } from '../../home/identity-file.ts';
import { repository } from '../../home/repository.ts';
import type { HttpEngineKind } from '../../http-engine/connect-http-engine.ts';
import { BAR_FROM_BYTES } from '../../limits.ts';
import type { LoadProgress } from '../../llama/load-llama-engine.ts';
import { ModelStore } from '../../models/model-store.ts';
import type { NativePeer, ServingOptions } from '../../peer/serving.ts';
import { keepRate } from '../../speed/expected-rates.ts';
import { type EngineChoice, OLLAMA_URL } from '../engines.ts';
import { createLogger } from '../logging.ts';
import { createProgressBar } from '../progress-bar.ts';
import { runService, type Service } from '../run-service.ts';
import { complain, print } from '../terminal.ts';

export interface ServeOptions {
  readonly model?: readonly string[];
  readonly join: string;
  readonly engine: EngineChoice;
  readonly url?: string;
  readonly slots: number;
  readonly threads?: number;
  readonly context?: number;
  readonly gpu: 'auto' | 'off';
  readonly grace: number;
}

export function serveAction(options: ServeOptions, models: readonly string[]): Promise<never> {
  return runService((stop) => serve(options, models, stop));
}

/** Once it is known that the models are there. */
type Start = (serving: ServingOptions, stop: AbortSignal) => Promise<NativePeer>;

/** Refuses what it can't serve, such as a wrong flag or an unknown model, before anything is opened. */
type Prepare = (options: ServeOptions, models: readonly string[], home: Home) => Start | Promise<Start>;

const STARTS: Readonly<Record<EngineChoice, Prepare>> = {
  llama: withLlama,
  openai: (options, models) => withServer(options, models, 'openai'),
  ollama: (options, models) => withServer(options, models, 'ollama'),
};

async function serve(options: ServeOptions, models: readonly string[], stop: AbortSignal): Promise<Service> {
  const logger = await createLogger('info');
  const home = await openHome(homePath());
  const start = await STARTS[options.engine](options, models, home);
  const opened = await openIdentity(home.path, 'identity', systemRandom);
  try {
    const peer = await start(
      {
        join: options.join,
        identity: opened.identity,
        baselineFile: home.baselineFile,
        graceMs: options.grace * 1000,
        logger,
        onServing: ({ model }) => print(`Serving ${model.id} as ${opened.identity.peerId}`),
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

async function withLlama(options: ServeOptions, names: readonly string[], home: Home): Promise<Start> {
  if (options.url !== undefined) {
    throw new MeshError('invalid_request', '--url needs to know the protocol: add --engine openai or --engine ollama.');
  }
  const store = new ModelStore({ home, embeddedPath: repository.models });
  const models = await Promise.all(names.map((name) => store.find(name)));
  return async (serving, stop) => {
    const { startNativePeer } = await import('../../llama/serve-models.ts');
    const { freeMemoryBytes } = await import('../../llama/memory-fit.ts');
    const { slots, threads, gpu, context: contextTokens } = options;
    return startNativePeer(
      {
        ...serving,
        models,
        slots,
        threads,
        contextTokens,
        gpu,
        hashCacheFile: home.hashCacheFile,
        onProgress: loadProgress(),
        onBaseline({ id, sizeBytes, backend }, { tokensPerSecond }) {
          const kept = keepRate(home.speedFile, id, sizeBytes, !backend.includes('CPU'), tokensPerSecond);
          kept.catch((error: unknown) => serving.logger.warn({ error: String(error) }, 'A rate could not be kept.'));
        },
        freeMemoryBytes: () => freeMemoryBytes({ gpu, logger: serving.logger }),
        onDropped: (sentence) => complain(sentence),
      },
      stop,
    );
  };
}

function withServer({ url, slots, context }: ServeOptions, models: readonly string[], kind: HttpEngineKind): Start {
  const key = takeKey();
  const address = url ?? (kind === 'ollama' ? OLLAMA_URL : undefined);
  if (address === undefined) {
    throw new MeshError('invalid_request', '--engine openai needs --url, such as --url http://127.0.0.1:8000');
  }
  const { username, password } = new URL(address);
  if (username !== '' || password !== '') {
    throw new MeshError('invalid_request', '--url must not carry a password. Put the key into TABMESH_ENGINE_KEY.');
  }
  return async (serving, stop) => {
    const { startHttpPeer } = await import('../../http-engine/serve-http-models.ts');
    return startHttpPeer({ ...serving, kind, url: address, key, models, slots, contextTokens: context }, stop);
  };
}

/** Out of the environment, so that no child process inherits it. */
function takeKey(): string | undefined {
  const key = process.env.TABMESH_ENGINE_KEY;
  delete process.env.TABMESH_ENGINE_KEY;
  return key === '' ? undefined : key;
}

function loadProgress(): (progress: LoadProgress) => void {
  const bars = { check: createProgressBar('Checking'), load: createProgressBar('Loading ') };
  return ({ phase, doneBytes, totalBytes }) => {
    if (totalBytes < BAR_FROM_BYTES) return;
    bars[phase].update(doneBytes, totalBytes);
    if (doneBytes >= totalBytes) bars[phase].close();
  };
}
