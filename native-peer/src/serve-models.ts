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
  /** Called once per model, when it answers and the mesh is joined. */
  readonly onServing: (engine: Engine) => void;
}

export interface NativePeer {
  readonly mesh: Mesh;
  /** Rejects when a model is lost for good or the entry refuses this peer. */
  readonly failed: Promise<never>;
  /** Drains, then leaves. Idempotent. */
  close(): Promise<void>;
}

/** @throws MeshError of `loadLlamaEngine`, or the entry's refusal. Nothing is left running then. */
export async function startNativePeer(options: NativePeerOptions, signal: AbortSignal): Promise<NativePeer> {
  const { identity, logger, join, graceMs } = options;
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
    for (const { id, file } of options.models) {
      // What is loading takes the machine as much as a job does.
      load.jobBegins();
      const loaded = await loadLlamaEngine({ ...options, file, modelId: id, signal });
      load.jobEnds();
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
        logger.error({ model: id, error: error.message }, 'A model is lost.');
        fail(error);
      });
      await answerOnce(engine, signal);
      mesh.addEngine(engine);
      await online(mesh, signal);
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
