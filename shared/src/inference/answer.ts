/**
 * One answer from however many peers it takes: asks the chosen one, and moves on while nothing was delivered yet. Who is
 * chosen and how a line comes to be are the caller's.
 */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { TokensEvent } from '../ports/engine.ts';
import type { JobId, PeerId } from '../protocol/ids.ts';
import type { FinishReason, JobParameters, Usage } from '../protocol/messages.ts';
import type { JobOutcome } from './job-outcome.ts';
import type { JobLine, Requester } from './requester.ts';

/** What may narrow the choice, as an answer learns it. */
export interface AnswerNeeds {
  readonly failed: ReadonlySet<PeerId>;
  /** More than the context of every peer that found the prompt too long. */
  readonly contextTokens: number;
}

/** A peer to try. `Route` is the caller's event that tells of it. */
export interface Assignment<Route> {
  readonly jobId: JobId;
  readonly peerId: PeerId;
  readonly contextTokens: number;
  readonly parameters: JobParameters;
  readonly route: Route;
}

export interface AnswerOptions<Route> {
  readonly clock: Clock;
  readonly requester: Requester;
  readonly model: Parameters<Requester['run']>[1]['model'];
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

/** Peers that one job may be offered to before it is given up. */
const MOST_ATTEMPTS = 5;

/** What tells of the peer's state; a busy or leaving one is as good as it says. */
const BROKEN: ReadonlySet<string> = new Set([
  'peer_lost',
  'connection_failed',
  'engine_failed',
  'out_of_memory',
  'closed',
]);

export async function* answer<Route>(
  options: AnswerOptions<Route>,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart<Route>, void, undefined> {
  const { clock, requester, model } = options;
  const startedMs = clock.monotonicMs();
  const failed = new Set<PeerId>();
  let contextTokens = 1;
  let lastError: MeshError | undefined;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
    const assignment = options.assign({ failed, contextTokens });
    if (assignment === undefined) break;
    const { jobId, peerId, parameters } = assignment;
    yield assignment.route;
    let firstTokenMs: number | undefined;
    try {
      const line = await options.lineTo(peerId, signal);
      const onOutcome = (outcome: JobOutcome) => options.onOutcome(peerId, jobId, outcome);
      for await (const event of requester.run(line, { jobId, model, parameters }, signal, onOutcome)) {
        if (event.type === 'tokens') {
          firstTokenMs ??= clock.monotonicMs();
          yield event;
          continue;
        }
        const { reason, usage, measurement } = event;
        const end: AnswerEnd = {
          type: 'end',
          reason,
          usage,
          ttftMs: (firstTokenMs ?? clock.monotonicMs()) - startedMs,
          tokensPerSecond: measurement?.tokensPerSecond ?? null,
        };
        if (measurement !== undefined) options.onAnswered(peerId, end);
        yield end;
      }
      return;
    } catch (error) {
      if (signal.aborted) throw MeshError.cancelled();
      if (MeshError.is(error) && BROKEN.has(error.code)) options.onFailed(peerId);
      if (!MeshError.is(error) || firstTokenMs !== undefined) throw error;
      lastError = error;
      if (error.code === 'context_length_exceeded') contextTokens = assignment.contextTokens + 1;
      else if (error.retryable) failed.add(peerId);
      else throw error;
    }
  }
  throw options.failure(lastError);
}
