/**
 * A native peer: joins the mesh, loads its models and serves each as soon as it has answered once.
 */
import { totalmem } from 'node:os';
import {
  BaselineCollector,
  createMesh,
  createSocketIoSignaling,
  DeviceLoad,
  type Engine,
  type Identity,
  type Logger,
  type Mesh,
  MeshError,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createNodeTransport } from '@tabmesh/shared/node';
import { createBaselineFile } from './baseline-file.ts';
import { fittingModels, type SizedModel } from './fitting-models.ts';
import { listedAtEntry } from './listed-at-entry.ts';
import { type LlamaEngineOptions, loadLlamaEngine } from './load-llama-engine.ts';
import type { FoundModel } from './model-store.ts';
import { online } from './online.ts';
import { VERSION } from './version.ts';

export interface NativePeerOptions
  extends Pick<LlamaEngineOptions, 'slots' | 'contextTokens' | 'threads' | 'gpu' | 'hashCacheFile' | 'onProgress'> {
  /** The entry's address. */
  readonly join: string;
  readonly models: readonly FoundModel[];
  readonly identity: Identity;
  readonly logger: Logger;
  /** Where the native baselines are kept. */
  readonly baselineFile: string;
  /** How long running answers may take to end when the peer leaves. */
  readonly graceMs: number;
  /** What models can have of this machine's memory. */
  readonly freeMemoryBytes: () => Promise<number>;
  /** Called once per model, when it answers, the mesh is joined and the entry lists it. */
  readonly onServing: (engine: Engine) => void;
  /** Called once per model that is left out for lack of memory, with a sentence that says so. */
  readonly onDropped: (sentence: string) => void;
}

export interface NativePeer {
  readonly mesh: Mesh;
  /** Rejects when a model is lost for good or the entry refuses this peer. */
  readonly failed: Promise<never>;
  /** Drains, then leaves. Idempotent. */
  close(): Promise<void>;
}

/** An announcement takes a quarter of a second; who waits longer serves already, though nobody may know. */
const LISTING_PATIENCE_MS = 10_000;

/** @throws MeshError of `fittingModels` and `loadLlamaEngine`, or the entry's refusal. Nothing is left running then. */
export async function startNativePeer(options: NativePeerOptions, signal: AbortSignal): Promise<NativePeer> {
  const { identity, logger, join, graceMs } = options;
  const { served, dropped } = await fittingModels(options.models, options.freeMemoryBytes);
  for (const sentence of dropped) options.onDropped(sentence);
  const mesh = createMesh({
    identity,
    kind: 'native',
    version: VERSION,
    signaling: createSocketIoSignaling({ url: join, logger }),
    transport: createNodeTransport(),
    clock: systemClock,
    random: systemRandom,
    logger,
    memoryBytes: totalmem(),
  });
  const baselines = createBaselineFile(options.baselineFile);
  const collectors: BaselineCollector[] = [];
  const load = new DeviceLoad();
  const engines: Engine[] = [];
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever waits for it hears of it; before that it must not count as unhandled.
  failed.catch(() => {});
  let closing: Promise<void> | undefined;
  const close = async () => {
    for (const collector of collectors) collector.close();
    await Promise.all(engines.map((engine) => mesh.removeEngine(engine, graceMs)));
    await mesh.close();
    await Promise.all(engines.map((engine) => engine.close()));
  };
  const peer: NativePeer = {
    mesh,
    failed,
    close() {
      closing ??= close();
      return closing;
    },
  };
  try {
    for (const [index, model] of served.entries()) {
      const later = served.slice(index + 1);
      const isLastHope = engines.length === 0 && later.length === 0;
      // What is loading takes the machine as much as a job does.
      load.jobBegins();
      const loaded = await loadIfItFits(model, later, isLastHope, options, signal);
      load.jobEnds();
      if (loaded === undefined) continue;
      const collector = new BaselineCollector({
        engine: loaded,
        clock: systemClock,
        store: baselines,
        logger,
        load,
        onBaseline: (baseline) => mesh.setBaseline(loaded.model.id, baseline),
      });
      collectors.push(collector);
      const { engine } = collector;
      engines.push(engine);
      engine.onLost((error) => {
        logger.error({ model: model.id, error: error.message }, 'A model is lost.');
        fail(error);
      });
      await answerOnce(engine, signal);
      mesh.addEngine(engine);
      await online(mesh, signal);
      const listing = { entryUrl: join, peerId: identity.peerId, model: model.id };
      if (!(await listedAtEntry(listing, AbortSignal.timeout(LISTING_PATIENCE_MS), signal))) {
        logger.warn({ model: model.id }, 'The entry does not list this model yet.');
      }
      options.onServing(engine);
    }
  } catch (error) {
    await peer.close();
    throw error;
  }
  mesh.onChange(() => {
    const connection = mesh.connection();
    if (connection.state === 'refused') fail(new MeshError(connection.code, connection.message));
  });
  return peer;
}

/** Undefined: its context finds no room beside the other models, which are served all the same. */
async function loadIfItFits(
  { id, file }: SizedModel,
  later: readonly SizedModel[],
  isLastHope: boolean,
  options: NativePeerOptions,
  signal: AbortSignal,
): Promise<Engine | undefined> {
  const laterSizesBytes = later.map(({ sizeBytes }) => sizeBytes);
  try {
    return await loadLlamaEngine({ ...options, file, modelId: id, laterSizesBytes, signal });
  } catch (error) {
    if (isLastHope || !MeshError.is(error, 'out_of_memory')) throw error;
    options.onDropped(`${id} is not served. ${error.message}`);
    return undefined;
  }
}

/** A model that loads but can't compute is found out here and not by the first user. */
async function answerOnce(engine: Engine, signal: AbortSignal): Promise<void> {
  const request = {
    messages: [{ role: 'user', content: 'Hello' }],
    maxTokens: 1,
    temperature: 0,
    topP: 1,
    stop: [],
  } as const;
  for await (const _ of engine.generate(request, signal));
}
