/** What an answer needs from whoever asks for it: peers, lines to them, and ears for what becomes of them. */
import type { MeshError } from '../errors.ts';
import type { JobOutcome } from '../jobs/job-outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { AnswerBeginning, TokensEvent } from '../ports/engine.ts';
import type { Random } from '../ports/random.ts';
import type { ClassId, JobId, ModelId, PeerId } from '../protocol/ids.ts';
import type { FinishReason, JobParameters, Usage } from '../protocol/messages.ts';
import type { JobLine } from './incoming-answer.ts';
import type { Requester } from './requester.ts';
import type { ExpectedPace } from './stall-watch.ts';

/** What may narrow the choice, as an answer learns it. */
export interface AnswerNeeds {
  readonly failed: ReadonlySet<PeerId>;
  /** More than the context of every peer that found the prompt too long. */
  readonly contextTokens: number;
  /** What was delivered, and the class of the peer that began it. Undefined before the first token. */
  readonly begun: (AnswerBeginning & { readonly classId: ClassId }) | undefined;
}

/** A peer to try. `Route` is the caller's event that tells of it. */
export interface Assignment<Route> {
  readonly jobId: JobId;
  readonly peerId: PeerId;
  readonly classId: ClassId;
  readonly contextTokens: number;
  readonly parameters: JobParameters;
  /** After this time without text another peer may be asked beside this one. */
  readonly lateMs: number;
  /** After this time without any it counts as lost. */
  readonly stallMs: number;
  readonly pace: ExpectedPace;
  readonly route: Route;
}

export interface AnswerOptions<Route> {
  readonly clock: Clock;
  readonly requester: Requester;
  readonly model: ModelId;
  /** Delivered before this call, by a peer of that class. */
  readonly begun?: AnswerNeeds['begun'];
  /** At most so many tokens, whoever gives them. Undefined: as many as the peers take. */
  readonly maxTokens: number | undefined;
  /** Whom it is for, where the asker asks for several. */
  readonly client: string | undefined;
  /** When the first token must be there, by the clock. */
  readonly deadlineAtMs: number | undefined;
  /** The next peer; undefined when there is none left. */
  assign(needs: AnswerNeeds): Assignment<Route> | undefined;
  /** Whom `assign` would take, without a job for it. @param draw in [0, 1), of equals always the same one */
  standby(needs: AnswerNeeds, draw: number): PeerId | undefined;
  readonly random: Random;
  isLinked(peerId: PeerId): boolean;
  /** Whether one more peer may be asked beside a late one; asked once it would be. */
  mayRace(): boolean;
  lineTo(peerId: PeerId, signal: AbortSignal): Promise<JobLine>;
  /** The first text is there, or the first after `begun`. */
  onBegun(): void;
  /** Once for each job that a peer was given, when it is over. */
  onOutcome(peerId: PeerId, jobId: JobId, outcome: JobOutcome): void;
  /** The peer answered to the end, with text. */
  onAnswered(peerId: PeerId, end: AnswerEnd): void;
  /** The peer could not do what it announced. */
  onFailed(peerId: PeerId): void;
  /** The peer had not spoken yet when the one that was asked after it did. */
  onLate(peerId: PeerId): void;
  /** The asker has left while the peer kept it waiting. */
  onLeftWaiting(peerId: PeerId): void;
  /** No peer is left: `lastError` is why the last one did not answer, undefined when there was none at all. */
  failure(lastError: MeshError | undefined): MeshError;
}

export interface AnswerEnd {
  readonly type: 'end';
  readonly reason: FinishReason;
  readonly usage: Usage;
  /** Which of the request's stop strings ended it, where one did and the peer tells. */
  readonly stopText?: string;
  /** To the first text, a thought or not. */
  readonly ttftMs: number;
  /** To the first text of the answer, where thoughts came before it. */
  readonly answerTtftMs?: number;
  readonly tokensPerSecond: number | null;
}

export type AnswerPart<Route> = Route | TokensEvent | AnswerEnd;
