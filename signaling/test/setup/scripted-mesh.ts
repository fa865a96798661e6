/** A `Mesh` that answers by script, for tests of what stands in front of it. */
import {
  type Announcement,
  type AnswerEvent,
  ClassId,
  type CompletionRequest,
  catalogModel,
  createIdentity,
  defaultModel,
  JobId,
  type Mesh,
  MeshError,
  type MeshModel,
  ModelId,
  type PeerId,
  systemRandom,
  type TokenLogprob,
} from '@tabmesh/shared';

/** What the next answers are made of: texts to stream, an error to fail with, a wait for whoever is named. */
export type ScriptStep =
  | { readonly say: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly think: string; readonly written?: string; readonly logprobs?: readonly TokenLogprob[] }
  | { readonly fail: MeshError }
  | { readonly wait: Promise<void> }
  /** Nothing more until the requester cancels. */
  | 'hang';

export interface ScriptedMesh extends Mesh {
  readonly servedBy: PeerId;
  readonly requests: CompletionRequest[];
  /** Resolves when the first request came. */
  readonly asked: Promise<void>;
  /** How many steps of the present script were taken. */
  stepsTaken: number;
  /** Resolves when an answer was cancelled by its signal or by leaving the loop. */
  readonly cancelled: Promise<void>;
  script: readonly ScriptStep[];
  /** Of the next answers. */
  jobId: () => JobId;
  models: () => MeshModel[];
}

export const JOB_ID = JobId.parse('0123456789abcdef0123456789abcdef');

export function createScriptedMesh(
  script: readonly ScriptStep[] = [{ say: 'Hello' }, { say: ' there' }],
): ScriptedMesh {
  const servedBy = createIdentity(systemRandom).peerId;
  const tiny = ModelId.parse('mesh-tiny');
  const announcement: Announcement = {
    type: 'announcement',
    peerId: servedBy,
    kind: 'native',
    version: 'test',
    sequence: 1,
    issuedAtMs: 0,
    lifetimeMs: 60_000,
    state: 'ready',
    memoryBytes: null,
    links: [],
    models: [
      {
        id: tiny,
        classId: ClassId.parse('0'.repeat(32)),
        family: 'scripted',
        backend: 'scripted',
        contextTokens: 1024,
        slots: 2,
        inFlight: 0,
        queued: 0,
        sizeBytes: 1,
        features: ['seed'],
        measured: {
          ttftMs: 80,
          ttftP95Ms: 120,
          tokensPerSecond: 40,
          tokensPerSecondP95: 44,
          sampleCount: 3,
          ageMs: 1_000,
        },
        baseline: null,
      },
    ],
  };
  let reportCancelled = () => {};
  const cancelled = new Promise<void>((resolve) => {
    reportCancelled = resolve;
  });

  let reportAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    reportAsked = resolve;
  });

  const mesh: ScriptedMesh = {
    servedBy,
    peerId: createIdentity(systemRandom).peerId,
    requests: [],
    asked,
    cancelled,
    stepsTaken: 0,
    script,
    jobId: () => JOB_ID,
    connection: () => ({ state: 'online' }),
    peers: () => [
      {
        peerId: servedBy,
        name: 'quiet-rowan',
        announcement,
        linked: true,
        rttMs: 0.4,
      },
    ],
    models: () => [{ id: tiny, peers: [servedBy], contextTokens: 1024 }],
    measurementsOf: (model) =>
      (mesh.models().find(({ id }) => id === model)?.peers ?? []).map((peerId) => ({
        peerId,
        measured: announcement.models[0]?.measured ?? null,
      })),
    setBaseline: () => {},
    defaultModel: () => defaultModel(mesh.models().map(({ id, peers }) => ({ id, peerCount: peers.length }))),
    embed: () => Promise.reject(MeshError.nothingServed()),
    async *complete(request, signal) {
      mesh.requests.push(request);
      reportAsked();
      const model = request.model ?? mesh.defaultModel();
      const served = mesh.models().find(({ id }) => id === model);
      if (model === undefined) throw MeshError.noPeerWithModel('any model');
      if (served === undefined)
        throw catalogModel(model) ? MeshError.noPeerWithModel(model) : MeshError.modelNotFound(model);
      yield {
        type: 'route',
        jobId: mesh.jobId(),
        peerId: servedBy,
        model,
        continues: null,
        explanation: { outputTokens: 1, candidates: [] },
      };
      let finished = false;
      try {
        yield* play(mesh, signal);
        finished = true;
      } catch (error) {
        finished = !MeshError.is(error, 'cancelled');
        throw error;
      } finally {
        if (!finished) reportCancelled();
      }
    },
    addEngine() {},
    announceNow() {},
    async removeEngine() {},
    serving: () => ({ activeJobs: 0, finishedJobs: 0, tokens: 0 }),
    onChange: () => () => {},
    async close() {},
  };
  return mesh;
}

async function* play(mesh: ScriptedMesh, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
  let tokenCount = 0;
  for (const step of mesh.script) {
    mesh.stepsTaken += 1;
    if (step === 'hang') await untilAborted(signal);
    else if ('wait' in step) await Promise.race([step.wait, untilAborted(signal)]);
    else if ('fail' in step) throw step.fail;
    else if ('think' in step) {
      tokenCount += 1;
      const { think: text, ...told } = step;
      yield { type: 'tokens', text, tokenCount: 1, thought: true, ...told };
    } else {
      tokenCount += 1;
      const { say: text, logprobs } = step;
      yield { type: 'tokens', text, tokenCount: 1, ...(logprobs === undefined ? {} : { logprobs }) };
    }
    if (signal.aborted) throw MeshError.cancelled();
  }
  const usage = {
    promptTokens: 5,
    completionTokens: tokenCount,
    cachedTokens: 2,
  };
  yield { type: 'end', reason: 'stop', usage, ttftMs: 80, tokensPerSecond: 40 };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const cancel = () => reject(MeshError.cancelled());
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
