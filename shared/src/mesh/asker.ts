/** The asking half of a member: what is wanted of which model, at whichever peers it takes, and how it went. */
import { catalogModel } from '../catalog/catalog.ts';
import { MeshError } from '../errors.ts';
import { extrasOf, featuresNeeded, hasFeatures, nobodyCan } from '../jobs/job-features.ts';
import type { JobOutcome } from '../jobs/job-outcome.ts';
import { MAX_FIRST_TOKEN_MS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import { type Random, randomHexId } from '../ports/random.ts';
import type { ModelFeature, ServedModel } from '../protocol/announcement.ts';
import { JobId, type ModelId, type PeerId } from '../protocol/ids.ts';
import type { AnswerReport } from '../protocol/signaling.ts';
import { answer } from '../requesting/answer.ts';
import { type Deadline, startDeadline } from '../requesting/deadline.ts';
import { embed } from '../requesting/embedding.ts';
import type { JobLine } from '../requesting/incoming-answer.ts';
import { RaceBudget } from '../requesting/race-budget.ts';
import { queueHints, type Requester } from '../requesting/requester.ts';
import type { Chooser, RouteEvent } from './chooser.ts';
import type { AnswerEvent, CompletionRequest, EmbedAnswer, EmbedRequest, MeshConnection } from './mesh-interface.ts';

export interface AskerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly requester: Requester;
  readonly raceShare: number | undefined;
  readonly chooser: Chooser;
  /** Once the entry has said its first word, whatever it is. */
  joined(signal: AbortSignal): Promise<void>;
  /** Who serves the model, this end included. */
  serving(model: ModelId): readonly { readonly served: ServedModel }[];
  /** The model that an absent one means, among those that fit. */
  defaultModel(isFit: (served: ServedModel) => boolean): ModelId | undefined;
  /** Whether a peer has served the model since this end joined. */
  wasServed(model: ModelId): boolean;
  connection(): MeshConnection;
  isLinked(peerId: PeerId): boolean;
  lineTo(peerId: PeerId, signal: AbortSignal): Promise<JobLine>;
  onOutcome(peerId: PeerId, job: { readonly jobId: JobId; readonly model: ModelId }, outcome: JobOutcome): void;
  report(report: AnswerReport): void;
}

export interface Asker {
  complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent>;
  embed(request: EmbedRequest, signal: AbortSignal): Promise<EmbedAnswer>;
}

export function createAsker(options: AskerOptions): Asker {
  const { clock, random, requester, chooser, lineTo } = options;
  const races = new RaceBudget(options.raceShare);

  async function* complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const deadline = startDeadline(clock, request.deadlineMs, signal);
    try {
      await options.joined(deadline.signal);
      yield* completeBy(deadline, request);
    } catch (error) {
      const failure = deadline.explain(error);
      if (!MeshError.isOfTheAsker(failure)) options.report({ servedBy: 'failed' });
      throw failure;
    } finally {
      deadline.met();
    }
  }

  function completeBy(deadline: Deadline, request: CompletionRequest): AsyncGenerator<AnswerEvent, void, undefined> {
    const features = featuresNeeded(extrasOf(request));
    const model = request.model ?? options.defaultModel((served) => hasFeatures(served, features));
    if (model === undefined) throw outside() ?? MeshError.nothingServed();
    races.earn();
    const giveUpAtMs = clock.monotonicMs() + MAX_FIRST_TOKEN_MS;
    return answer<RouteEvent>(
      {
        clock,
        requester,
        model,
        begun: request.begun,
        maxTokens: request.maxTokens,
        client: request.client,
        deadlineAtMs: deadline.atMs,
        onBegun() {
          deadline.met();
        },
        assign(needs) {
          const leftMs = needs.begun === undefined ? giveUpAtMs - clock.monotonicMs() : MAX_FIRST_TOKEN_MS;
          const assignment = leftMs > 0 ? chooser.assign(request, model, needs) : undefined;
          if (assignment === undefined || assignment.stallMs <= leftMs) return assignment;
          return { ...assignment, stallMs: leftMs };
        },
        standby(needs, draw) {
          return chooser.standby(request, model, needs, draw);
        },
        random,
        isLinked: options.isLinked,
        mayRace() {
          return races.spend();
        },
        lineTo,
        onOutcome(peerId, jobId, outcome) {
          options.onOutcome(peerId, { jobId, model }, outcome);
        },
        onAnswered(peerId, { usage: { completionTokens }, ttftMs, tokensPerSecond }) {
          chooser.answered(peerId, request.conversationId);
          options.report({ servedBy: 'mesh', peerId, model, completionTokens, ttftMs, tokensPerSecond });
        },
        onFailed(peerId) {
          chooser.failed(peerId);
        },
        onLate(peerId) {
          chooser.late(peerId);
        },
        onLeftWaiting(peerId) {
          chooser.leftWaiting(peerId);
        },
        failure(lastError) {
          return failureOf(model, lastError, features);
        },
      },
      deadline.signal,
    );
  }

  async function embedAll(request: EmbedRequest, signal: AbortSignal): Promise<EmbedAnswer> {
    const deadline = startDeadline(clock, request.deadlineMs, signal);
    try {
      return await embedBy(deadline, request);
    } catch (error) {
      throw deadline.explain(error);
    } finally {
      deadline.met();
    }
  }

  async function embedBy({ signal, atMs }: Deadline, { model: asked, inputs, client }: EmbedRequest) {
    await options.joined(signal);
    const model = asked ?? options.defaultModel((served) => hasFeatures(served, EMBEDDINGS));
    if (model === undefined) throw outside() ?? MeshError.nothingServed();
    const embedded = await embed(
      {
        clock,
        requester,
        newJob: () => ({
          jobId: JobId.parse(randomHexId(random)),
          model,
          ...queueHints(client, atMs === undefined ? undefined : atMs - clock.monotonicMs()),
        }),
        assign: (failed) => chooser.assignEmbedding(model, failed),
        lineTo,
        onFailed: (peerId) => chooser.failed(peerId),
        onLeftWaiting: (peerId) => chooser.leftWaiting(peerId),
        failure: (lastError) => failureOf(model, lastError, EMBEDDINGS),
      },
      inputs,
      signal,
    );
    return { model, ...embedded };
  }

  function failureOf(model: ModelId, lastError: MeshError | undefined, features: readonly ModelFeature[]): MeshError {
    if (lastError?.code === 'peer_busy') return MeshError.meshBusy(Number(lastError.details.waitMs ?? 1_000));
    if (lastError !== undefined) return lastError;
    const serving = options.serving(model);
    const away = serving.length === 0 ? outside() : undefined;
    if (away !== undefined) return away;
    const lacking = features.find((feature) => !serving.some(({ served }) => served.features.includes(feature)));
    if (serving.length > 0 && lacking !== undefined) return nobodyCan(lacking, model);
    const known = options.wasServed(model) || catalogModel(model) !== undefined;
    return known ? MeshError.noPeerWithModel(model) : MeshError.modelNotFound(model);
  }

  /** Why nobody can be known: this end is not in the mesh. */
  function outside(): MeshError | undefined {
    const connection = options.connection();
    if (connection.state === 'refused') return MeshError.notInMesh(connection.message, 'refused');
    if (connection.state !== 'offline') return undefined;
    return MeshError.notInMesh(connection.reason, connection.isRefused === true ? 'refused for now' : 'out of reach');
  }

  return { complete, embed: embedAll };
}

const EMBEDDINGS: readonly ModelFeature[] = ['embeddings'];
