/**
 * One answer from however many peers it takes: asks the chosen one, and when it refuses, is lost or leaves, the next one
 * goes on behind what was delivered. Who is chosen and how a line comes to be are the caller's.
 */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { AnswerBeginning, TokensEvent } from '../ports/engine.ts';
import type { ClassId, JobId, ModelId, PeerId } from '../protocol/ids.ts';
import type { FinishReason, JobParameters, Usage } from '../protocol/messages.ts';
import type { JobOutcome } from './job-outcome.ts';
import type { JobLine, Requester } from './requester.ts';

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
  readonly route: Route;
}

export interface AnswerOptions<Route> {
  readonly clock: Clock;
  readonly requester: Requester;
  readonly model: ModelId;
  /** At most so many tokens, whoever gives them. Undefined: as many as the peers take. */
  readonly maxTokens: number | undefined;
  /** The next peer; undefined when there is none left. */
  assign(needs: AnswerNeeds): Assignment<Route> | undefined;
  lineTo(peerId: PeerId, signal: AbortSignal): Promise<JobLine>;
  /** Once for each job that a peer was given, when it is over. */
  onOutcome(peerId: PeerId, jobId: JobId, outcome: JobOutcome): void;
  /** The peer answered to the end, with at least a token. */
  onAnswered(peerId: PeerId, end: AnswerEnd): void;
  /** The peer could not do what it announced. */
  onFailed(peerId: PeerId): void;
  /** No peer is left: `lastError` is why the last one did not answer, undefined when there was none at all. */
  failure(lastError: MeshError | undefined): MeshError;
}

export interface AnswerEnd {
  readonly type: 'end';
  readonly reason: FinishReason;
  readonly usage: Usage;
  readonly ttftMs: number;
  readonly tokensPerSecond: number | null;
}

export type AnswerPart<Route> = Route | TokensEvent | AnswerEnd;

/** Peers that an answer may be offered to, one after the other, without a token from any of them. */
const MOST_ATTEMPTS = 5;

/** What tells of the peer's state; a busy or leaving one is as good as it says. */
const BROKEN: ReadonlySet<string> = new Set([
  'peer_lost',
  'connection_failed',
  'engine_failed',
  'out_of_memory',
  'closed',
]);

export function isBroken(error: MeshError): boolean {
  return BROKEN.has(error.code);
}

export async function* answer<Route>(
  options: AnswerOptions<Route>,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart<Route>, void, undefined> {
  const { clock, requester, model, maxTokens } = options;
  const startedMs = clock.monotonicMs();
  const failed = new Set<PeerId>();
  const given = { text: '', tokenCount: 0 };
  let givenBy: ClassId | undefined;
  let contextTokens = 1;
  let firstTokenMs: number | undefined;
  let lastError: MeshError | undefined;
  const endOf = (reason: FinishReason, usage: Usage, tokensPerSecond: number | null): AnswerEnd => ({
    type: 'end',
    reason,
    usage,
    ttftMs: (firstTokenMs ?? clock.monotonicMs()) - startedMs,
    tokensPerSecond,
  });
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const begun = givenBy === undefined ? undefined : { ...given, classId: givenBy };
    const assignment = options.assign({ failed, contextTokens, begun });
    if (assignment === undefined) break;
    const { jobId, peerId, classId, parameters } = assignment;
    yield assignment.route;
    try {
      const line = await options.lineTo(peerId, signal);
      const onOutcome = (outcome: JobOutcome) => options.onOutcome(peerId, jobId, outcome);
      for await (const event of requester.run(line, { jobId, model, parameters }, signal, onOutcome)) {
        if (event.type === 'tokens') {
          firstTokenMs ??= clock.monotonicMs();
          givenBy ??= classId;
          given.text += event.text;
          given.tokenCount += event.tokenCount;
          // Whoever failed before may be back by the time that this one is lost.
          failed.clear();
          attempt = -1;
          yield event;
          continue;
        }
        const { reason, measurement } = event;
        const completionTokens = (begun?.tokenCount ?? 0) + event.usage.completionTokens;
        const end = endOf(reason, { ...event.usage, completionTokens }, measurement?.tokensPerSecond ?? null);
        if (measurement !== undefined) options.onAnswered(peerId, end);
        // Without a token there is no sample either, and what it announced would go on to win.
        else options.onFailed(peerId);
        yield end;
      }
      return;
    } catch (error) {
      if (signal.aborted) throw MeshError.cancelled();
      if (!MeshError.is(error)) throw error;
      if (isBroken(error)) options.onFailed(peerId);
      lastError = error;
      if (error.code === 'context_length_exceeded') contextTokens = assignment.contextTokens + 1;
      else if (error.retryable) failed.add(peerId);
      else throw error;
    }
    // All of it came; only the word that this was the end did not.
    if (given.tokenCount === maxTokens) {
      yield endOf('length', { promptTokens: 0, cachedTokens: 0, completionTokens: maxTokens }, null);
      return;
    }
  }
  throw options.failure(lastError);
}
