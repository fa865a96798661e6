/**
 * What native peers have in common, whatever runs their models: they join a mesh and serve each engine as soon as it has
 * answered once.
 */
import { totalmem } from 'node:os';
import {
  type Baseline,
  BaselineCollector,
  checkEngineEvent,
  createMesh,
  createSocketIoSignaling,
  DeviceLoad,
  type Engine,
  type EngineModel,
  type Identity,
  type Logger,
  type Mesh,
  MeshError,
  systemClock,
  systemRandom,
} from '@tabmesh/shared';
import { createNodeTransport, signInNode, verifySignatureInNode } from '@tabmesh/shared/node';
import { createBaselineFile } from '../home/baseline-file.ts';
import { VERSION } from '../home/version.ts';
import { LISTING_PATIENCE_MS } from '../limits.ts';
import { listedAtEntry } from './listed-at-entry.ts';
import { online } from './online.ts';

export interface ServingOptions {
  /** The entry's address. */
  readonly join: string;
  readonly identity: Identity;
  readonly logger: Logger;
  /** Where the native baselines are kept. */
  readonly baselineFile: string;
  /** Called with what a model does alone in this machine, whenever it is known anew. */
  readonly onBaseline?: ((model: EngineModel, baseline: Baseline) => void) | undefined;
  /** How long running answers may take to end when the peer leaves. */
  readonly graceMs: number;
  /** Called once per engine, when it answers, the mesh is joined and the entry lists its model. */
  readonly onServing: (engine: Engine) => void;
}

export interface NativePeer {
  readonly mesh: Mesh;
  /** Rejects when a model is lost for good or the entry refuses this peer. */
  readonly failed: Promise<never>;
  /** Drains, then leaves. Idempotent. */
  close(): Promise<void>;
}

export interface Serving extends NativePeer {
  /** What the models of this machine do to each other. */
  readonly load: DeviceLoad;
  /**
   * Owns the engine from now on, also when it rejects.
   * @throws MeshError of the engine's first answer, the entry's refusal, or `cancelled`
   */
  serve(engine: Engine, signal: AbortSignal): Promise<void>;
  /** Takes a lost engine away, whose answers need no grace any more. */
  withdraw(engine: Engine): Promise<void>;
  /** Ends the peer: `failed` rejects. */
  fail(error: Error): void;
}

interface Served {
  readonly collector: BaselineCollector;
  /** As the mesh sees it. */
  readonly engine: Engine;
}

export function openServing(options: ServingOptions): Serving {
  const { identity, logger, join, graceMs } = options;
  const mesh = createMesh({
    identity: signInNode(identity),
    kind: 'native',
    version: VERSION,
    signaling: [createSocketIoSignaling({ url: join, logger })],
    transports: [createNodeTransport()],
    verify: verifySignatureInNode,
    clock: systemClock,
    random: systemRandom,
    logger,
    memoryBytes: totalmem(),
  });
  const baselines = createBaselineFile(options.baselineFile);
  const load = new DeviceLoad();
  const served = new Map<Engine, Served>();
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever waits for it hears of it; before that it must not count as unhandled.
  failed.catch(() => {});
  const forgetRefusals = mesh.onChange(() => {
    const connection = mesh.connection();
    if (connection.state === 'refused') fail(new MeshError(connection.code, connection.message));
  });

  async function remove(loaded: Engine, ms: number): Promise<void> {
    const known = served.get(loaded);
    if (known === undefined) return;
    known.collector.close();
    await mesh.removeEngine(known.engine, ms);
    served.delete(loaded);
  }

  let closing: Promise<void> | undefined;
  const close = async () => {
    forgetRefusals();
    const engines = [...served.keys()];
    for (const { collector } of served.values()) collector.close();
    await Promise.all(engines.map((engine) => remove(engine, graceMs)));
    await mesh.close();
    await Promise.all(engines.map((engine) => engine.close()));
  };

  return {
    mesh,
    failed,
    load,
    fail: (error) => fail(error),
    async serve(loaded, signal) {
      const collector = new BaselineCollector({
        engine: loaded,
        clock: systemClock,
        store: baselines,
        logger,
        load,
        onBaseline(baseline) {
          mesh.setBaseline(loaded.model.id, baseline);
          options.onBaseline?.(loaded.model, baseline);
        },
      });
      const { engine } = collector;
      served.set(loaded, { collector, engine });
      await answerOnce(engine, signal);
      mesh.addEngine(engine);
      await online(mesh, signal);
      const listing = { entryUrl: join, peerId: identity.peerId, model: engine.model.id };
      if (!(await listedAtEntry(listing, AbortSignal.timeout(LISTING_PATIENCE_MS), signal))) {
        logger.warn({ model: engine.model.id }, 'The entry does not list this model yet.');
      }
      options.onServing(engine);
    },
    async withdraw(engine) {
      await remove(engine, 0);
      await engine.close();
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
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
  let isEnded = false;
  for await (const event of engine.generate(request, signal)) {
    checkEngineEvent(event);
    isEnded = event.type === 'end';
  }
  if (!isEnded) throw MeshError.engineFailed('it stopped without an end');
}
