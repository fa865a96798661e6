/**
 * Which peer gets a prompt, and as what job: brings together what the router needs to know. The routing half of `mesh.ts`,
 * which hands in everything that it asks.
 */
import { catalogModel, DEFAULT_TEMPERATURE, tierOf } from '../catalog/catalog.ts';
import { SLA_TARGETS } from '../catalog/sla-targets.ts';
import { checkedParameters } from '../jobs/checked-parameters.ts';
import { extrasOf, featuresNeeded, hasFeatures } from '../jobs/job-features.ts';
import { MAX_FIRST_TOKEN_MS, MAX_REMEMBERED_CONVERSATIONS, MAX_STALL_MS } from '../limits.ts';
import { LruMap } from '../lru-map.ts';
import type { Clock } from '../ports/clock.ts';
import { type Random, randomHexId } from '../ports/random.ts';
import type { Announcement, ModelFeature, ServedModel } from '../protocol/announcement.ts';
import { JobId, type ModelId, type PeerId } from '../protocol/ids.ts';
import type { AnswerNeeds, Assignment } from '../requesting/answer-options.ts';
import { type KnownSpeed, toCandidate } from '../routing/candidate.ts';
import { PeerPenalties } from '../routing/peer-penalties.ts';
import {
  expectedTokenMs,
  explain,
  firstTokenByMs,
  type RouteCandidate,
  type RouteQuery,
  route,
} from '../routing/route.ts';
import type { AnswerEvent, CompletionRequest } from './mesh-interface.ts';

export type RouteEvent = Extract<AnswerEvent, { type: 'route' }>;

export interface ChooserOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Who serves the model and could get a job now, this end included. */
  reachable(model: ModelId): readonly { readonly peer: Announcement; readonly served: ServedModel }[];
  isLocal(peerId: PeerId): boolean;
  /** null: linked, not measured yet; undefined: not linked. */
  linkRttMs(peerId: PeerId): number | null | undefined;
  /** By this end's own newest samples. */
  measured(peerId: PeerId, model: ModelId, nowMs: number): KnownSpeed | null;
  inFlight(peerId: PeerId): number;
}

export interface Chooser {
  /** The router's choice of a peer that makes embeddings. */
  assignEmbedding(model: ModelId, failed: ReadonlySet<PeerId>): PeerId | undefined;
  /**
   * The router's choice among the peers that are left, and the job as that peer will get it.
   * @throws MeshError `invalid_request` when no peer would take the job.
   */
  assign(request: CompletionRequest, model: ModelId, needs: AnswerNeeds): Assignment<RouteEvent> | undefined;
  /** Whom `assign` would choose. @param draw in [0, 1), which of equals */
  standby(request: CompletionRequest, model: ModelId, needs: AnswerNeeds, draw: number): PeerId | undefined;
  answered(peerId: PeerId, conversationId: string | undefined): void;
  failed(peerId: PeerId): void;
  late(peerId: PeerId): void;
  /** Its asker has left, and would not have if it had been as fast as it should. */
  leftWaiting(peerId: PeerId): void;
}

/** Chat answers are about this long; the estimate only has to compare peers. */
const TYPICAL_ANSWER_TOKENS = 200;
/** Who reads half an answer waits for the next words of it: an open link is worth more than a faster end. */
const NEXT_TOKENS = 20;
/** A draw for the router that tries no peer which nobody measured. */
const NO_TRY = 1;
/** A peer that is so many times later than ever is not coming any more. */
const STALL_FACTOR = 20;
const SHORTEST_STALL_MS = 10_000;
/** Beside that: a large model without a GPU reads some thirty tokens a second, of three characters or so. */
const READING_MS_PER_CHAR = 10;
/** Whoever leaves sooner has not waited for its reading either: some three hundred tokens a second. */
const PATIENT_MS_PER_CHAR = 1;
/** Sooner a rival would only be begun to be cancelled. */
const SHORTEST_LATE_MS = 100;

export function createChooser(options: ChooserOptions): Chooser {
  const { clock, random } = options;
  const penalties = new PeerPenalties();
  const conversationPeers = new LruMap<string, PeerId>(MAX_REMEMBERED_CONVERSATIONS);

  function candidatesFor(
    model: ModelId,
    prefixHolder: PeerId | undefined,
    isFit: (served: ServedModel) => boolean,
    isExcluded: (peerId: PeerId) => boolean,
    nowMs: number,
  ): RouteCandidate[] {
    const candidates: RouteCandidate[] = [];
    for (const { peer, served } of options.reachable(model)) {
      if (!isFit(served)) continue;
      const { peerId } = peer;
      candidates.push(
        toCandidate(peer, served, {
          local: options.isLocal(peerId),
          linkRttMs: options.linkRttMs(peerId),
          ownMeasured: options.measured(peerId, model, nowMs),
          inFlight: options.inFlight(peerId),
          failed: isExcluded(peerId),
          holdsPrefix: peerId === prefixHolder,
        }),
      );
    }
    return candidates;
  }

  /** The best of the peers that fit: better one that failed lately than none, but another class before that. */
  function choose(
    model: ModelId,
    prefixHolder: PeerId | undefined,
    query: RouteQuery,
    features: readonly ModelFeature[],
    { failed, begun }: Pick<AnswerNeeds, 'failed' | 'begun'>,
  ) {
    const nowMs = clock.monotonicMs();
    const isAble = (served: ServedModel) => hasFeatures(served, features);
    const fits =
      begun === undefined
        ? [isAble]
        : [(served: ServedModel) => isAble(served) && served.classId === begun.classId, isAble];
    const exclusions = [(id: PeerId) => failed.has(id) || penalties.holds(id, nowMs), (id: PeerId) => failed.has(id)];
    for (const isExcluded of exclusions) {
      for (const isFit of fits) {
        const candidates = candidatesFor(model, prefixHolder, isFit, isExcluded, nowMs);
        const index = route(candidates, query);
        const chosen = candidates[index];
        if (chosen !== undefined) return { candidates, index, chosen };
      }
    }
    return undefined;
  }

  function queryFor(
    model: ModelId,
    contextTokens: number,
    outputTokens: number,
    draws: RouteQuery['draws'],
  ): RouteQuery {
    return { outputTokens, contextTokens, target: SLA_TARGETS[tierOf(model)], draws };
  }

  /** What the router is asked for a request, and by which features. */
  function search(request: CompletionRequest, model: ModelId, needs: AnswerNeeds, draws: RouteQuery['draws']) {
    const { conversationId } = request;
    const prefixHolder = conversationId === undefined ? undefined : conversationPeers.get(conversationId);
    const typicalTokens = needs.begun === undefined ? TYPICAL_ANSWER_TOKENS : NEXT_TOKENS;
    const outputTokens = Math.min(request.maxTokens ?? typicalTokens, typicalTokens);
    const query = queryFor(model, needs.contextTokens, outputTokens, draws);
    const features: ModelFeature[] = needs.begun === undefined ? [] : ['continue'];
    const choice = choose(model, prefixHolder, query, [...features, ...featuresNeeded(extrasOf(request))], needs);
    return choice && { ...choice, query };
  }

  return {
    assignEmbedding(model, failed) {
      const choice = choose(model, undefined, queryFor(model, 1, 1, [NO_TRY, random.float()]), ['embeddings'], {
        failed,
        begun: undefined,
      });
      return choice?.chosen.peerId;
    },
    assign(request, model, needs) {
      // Who reads half an answer must not wait for a peer that nobody measured.
      const tryDraw = needs.begun === undefined ? random.float() : NO_TRY;
      const choice = search(request, model, needs, [tryDraw, random.float()]);
      if (choice === undefined) return undefined;
      const { candidates, index, query } = choice;
      const { peerId, classId, contextTokens } = choice.chosen;
      const { begun } = needs;
      const givenTokens = begun?.tokenCount ?? 0;
      const lateMs = Math.max(SHORTEST_LATE_MS, firstTokenByMs(choice.chosen, query));
      const chars = lengthOf(request, begun);
      const jobId = JobId.parse(randomHexId(random));
      return {
        jobId,
        peerId,
        classId,
        contextTokens,
        parameters: checkedParameters({
          messages: [...request.messages],
          maxTokens: (request.maxTokens ?? contextTokens) - givenTokens,
          temperature: request.temperature ?? catalogModel(model)?.temperature ?? DEFAULT_TEMPERATURE,
          topP: request.topP ?? 1,
          ...(request.seed === undefined ? {} : { seed: request.seed }),
          stop: [...(request.stop ?? [])],
          ...extrasOf(request),
          ...(request.thinking === undefined ? {} : { thinking: request.thinking }),
          ...(begun === undefined ? {} : { continues: { text: begun.text, tokenCount: givenTokens } }),
        }),
        lateMs,
        stallMs: Math.min(
          MAX_FIRST_TOKEN_MS,
          Math.min(MAX_STALL_MS, Math.max(SHORTEST_STALL_MS, STALL_FACTOR * lateMs)) + READING_MS_PER_CHAR * chars,
        ),
        pace: { firstTextMs: lateMs + PATIENT_MS_PER_CHAR * chars, tokenMs: expectedTokenMs(choice.chosen) },
        route: {
          type: 'route',
          jobId,
          peerId,
          model,
          continues: begun === undefined ? null : classId === begun.classId ? 'same-class' : 'other-class',
          get explanation() {
            return explain(candidates, query, index);
          },
        },
      };
    },
    standby(request, model, needs, draw) {
      return search(request, model, needs, [NO_TRY, draw])?.chosen.peerId;
    },
    answered(peerId, conversationId) {
      penalties.clear(peerId);
      if (conversationId !== undefined) conversationPeers.set(conversationId, peerId);
    },
    failed: (peerId) => penalties.failed(peerId, clock.monotonicMs()),
    late: (peerId) => penalties.late(peerId, clock.monotonicMs()),
    leftWaiting: (peerId) => penalties.leftWaiting(peerId, clock.monotonicMs()),
  };
}

/** Characters that a peer has to read before its first token. */
function lengthOf({ messages }: CompletionRequest, begun: AnswerNeeds['begun']): number {
  return messages.reduce((sum, { content }) => sum + content.length, begun?.text.length ?? 0);
}
