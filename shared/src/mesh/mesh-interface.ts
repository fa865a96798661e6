/**
 * The mesh as its users see it: the web app, the entry's API and the command line all hold a `Mesh`.
 */
import type { MeshErrorCode } from '../errors.ts';
import type { MeshModel } from '../membership/served-models.ts';
import type { Clock } from '../ports/clock.ts';
import type { AnswerBeginning, Engine, TokensEvent } from '../ports/engine.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Signaling } from '../ports/signaling.ts';
import type { Signer } from '../ports/signer.ts';
import type { Transports } from '../ports/transport.ts';
import type { Announcement, Baseline, Measured, PeerKind } from '../protocol/announcement.ts';
import type { ClassId, JobId, ModelId, PeerId } from '../protocol/ids.ts';
import type { ChatMessage, FinishReason, LogitBias, ResponseFormat, Usage } from '../protocol/messages.ts';
import type { VerifySignature } from '../protocol/signature.ts';
import type { RouteExplanation } from '../routing/route.ts';

export interface MeshOptions {
  readonly identity: Signer;
  readonly kind: PeerKind;
  readonly version: string;
  /** The ways to its entries: one is enough, and each that is out of reach is tried again on its own. */
  readonly signaling: readonly Signaling[];
  /** The ways in which links may come about, best first; the first is one that every member has. */
  readonly transports: Transports;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How signatures are checked. Default: the way that works on any platform. */
  readonly verify?: VerifySignature | undefined;
  /** Of this end's answers, which may be asked of a second peer when the first token is late. Default 0.05; 0: none. */
  readonly raceShare?: number | undefined;
  /** Fast memory for models, announced for others to see; absent or null when unknown. */
  readonly memoryBytes?: number | null | undefined;
}

/** What a request says of who asks and how long they wait. */
export interface Asking {
  /**
   * Where this end asks for several: a word, 1 to 64 characters, by which peers let them take turns. It is told to the
   * peers, so it should say nothing else.
   */
  readonly client?: string | undefined;
  /** Without a first token for so long the request is given up as `mesh_busy`, and no peer lets it wait any longer. */
  readonly deadlineMs?: number | undefined;
}

/** Absent sampling fields mean: the temperature of the catalogue, top_p 1, as many tokens as the context holds. */
export interface CompletionRequest extends Asking {
  /** Absent: the default model (`defaultModel` of the catalog over what is served now). */
  readonly model?: ModelId | undefined;
  readonly messages: readonly ChatMessage[];
  readonly maxTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly seed?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly responseFormat?: ResponseFormat | undefined;
  readonly topLogprobs?: number | undefined;
  readonly logitBias?: LogitBias | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  /** Whether the model thinks before it answers, where its template lets one choose. */
  readonly thinking?: boolean | undefined;
  /** Turns of one conversation share it, so that they return to the peer that holds their prefix. */
  readonly conversationId?: string | undefined;
  /** What an earlier request for this answer delivered before it failed: only what comes behind it is given. */
  readonly begun?: BegunAnswer | undefined;
}

/** Whole tokens, with the class of the peer that gave the first of them. */
export interface BegunAnswer extends AnswerBeginning {
  readonly classId: ClassId;
}

export interface EmbedRequest extends Asking {
  /** Absent: the default model among those that make embeddings. */
  readonly model?: ModelId | undefined;
  readonly inputs: readonly string[];
}

export interface EmbedAnswer {
  readonly model: ModelId;
  /** The last one, if it took several. */
  readonly peerId: PeerId;
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
}

/**
 * In order: one `route` per peer that is tried, `tokens` as they come, one `end`. Thoughts are marked; models that are not
 * known to think, and peers that know no marks, give them as text. A peer that refuses, is lost or leaves, in the middle of
 * the answer too, is followed by the `route` of the next, whose tokens go on behind what was given. Failure rejects the
 * iteration with a `MeshError`; aborting with `cancelled`.
 */
export type AnswerEvent =
  | {
      readonly type: 'route';
      readonly jobId: JobId;
      readonly peerId: PeerId;
      readonly model: ModelId;
      /** Null at the beginning; later whether the peer that goes on runs the very model that began. */
      readonly continues: 'same-class' | 'other-class' | null;
      readonly explanation: RouteExplanation;
    }
  | TokensEvent
  | {
      readonly type: 'end';
      readonly reason: FinishReason;
      readonly usage: Usage;
      /** Which of the request's stop strings ended it, where one did and the peer tells. */
      readonly stopText?: string;
      /** Send to the first token with text, a thought or not, at this end. */
      readonly ttftMs: number;
      /** Send to the first of the answer, where thoughts came before it. */
      readonly answerTtftMs?: number;
      /** Decode rate; null when it could not be measured. */
      readonly tokensPerSecond: number | null;
    };

export type MeshConnection =
  | { readonly state: 'joining' }
  | { readonly state: 'online' }
  | {
      readonly state: 'offline';
      readonly reason: string;
      /** The entry is there and said why it does not take this member yet: `reason` is its sentence. */
      readonly isRefused?: boolean;
    }
  | {
      readonly state: 'refused';
      readonly code: MeshErrorCode;
      readonly message: string;
    }
  | { readonly state: 'closed' };

/** A member of the mesh as this end sees it; this end itself included (`linked`, rtt 0). */
export interface MeshPeer {
  readonly peerId: PeerId;
  /** Two words made from the id, for people. */
  readonly name: string;
  readonly announcement: Announcement;
  readonly linked: boolean;
  /** Round trip on the open link; null when not linked or not measured yet. */
  readonly rttMs: number | null;
}

export interface Mesh {
  readonly peerId: PeerId;
  connection(): MeshConnection;
  peers(): readonly MeshPeer[];
  /** Sorted by id. */
  models(): readonly MeshModel[];
  /** The model an absent `model` means now; undefined when nothing is served. */
  defaultModel(): ModelId | undefined;
  /** Lazy: nothing is sent before the first `next()`. */
  complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<AnswerEvent>;
  /**
   * One vector for each input, in order; long lists are cut into jobs for one peer after the other.
   * @throws MeshError `no_peer_with_model`, `invalid_request` when no peer of the model makes embeddings
   */
  embed(request: EmbedRequest, signal: AbortSignal): Promise<EmbedAnswer>;
  /** Serves the engine's model to the mesh until `removeEngine`. The mesh does not own (close) the engine. */
  addEngine(engine: Engine): void;
  /** Drains: refuses new jobs at once, resolves when running ones have ended or `graceMs` passed (then cancelled). */
  removeEngine(engine: Engine, graceMs: number): Promise<void>;
  /** Tells of a change within this call instead of a moment later: for a device whose timers are about to stop. */
  announceNow(): void;
  /** Of each peer that a prompt for the model could go to what this end measured, else what the peer announced. */
  measurementsOf(model: ModelId): readonly { readonly peerId: PeerId; readonly measured: Measured | null }[];
  /** Publishes what the engine of a model served here does without the mesh; null takes it back. */
  setBaseline(model: ModelId, baseline: Baseline | null): void;
  /** What this end is serving now and since it started. */
  serving(): {
    readonly activeJobs: number;
    readonly finishedJobs: number;
    readonly tokens: number;
  };
  /** Called after anything that the getters above return has changed, at most once per 50 ms. Returns the unsubscribe. */
  onChange(listener: () => void): () => void;
  /** Announces leaving, closes links and signaling. Idempotent. */
  close(): Promise<void>;
}
