/**
 * One answer from however many peers it takes: asks the chosen one and, while its first token is late, another one beside
 * it; when a peer refuses, is lost or leaves, the next one goes on behind what was delivered. Who is chosen and how a line
 * comes to be are the caller's.
 */
import { MeshError } from '../errors.ts';
import type { JobOutcome } from '../jobs/job-outcome.ts';
import { MAX_ATTEMPTS, MAX_CONTINUATIONS } from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { AnswerBeginning, TokensEvent } from '../ports/engine.ts';
import type { ClassId, JobId, ModelId, PeerId } from '../protocol/ids.ts';
import type { FinishReason, JobParameters, Usage } from '../protocol/messages.ts';
import { Attempt, firstToSpeak, isLate } from './attempt.ts';
import { type JobEvent, type JobLine, queueHints, type Requester } from './requester.ts';
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
  readonly ttftMs: number;
  readonly tokensPerSecond: number | null;
}

export type AnswerPart<Route> = Route | TokensEvent | AnswerEnd;

/** A peer's first word. */
interface Spoken<Route> {
  readonly attempt: Attempt<Assignment<Route>>;
  readonly event: JobEvent;
}

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
  const progress = new AnswerProgress(options, signal);
  for (let left = MAX_ATTEMPTS; left > 0; left -= 1) {
    const assignment = progress.assign();
    if (assignment === undefined) break;
    yield assignment.route;
    const winner = await progress.race(assignment);
    if (winner === undefined) continue;
    const { attempt } = winner;
    const before = progress.tokenCount;
    try {
      if (attempt.assignment !== assignment) yield attempt.assignment.route;
      for (let { event } = winner; ; event = await attempt.next()) {
        const part = progress.take(event, attempt.assignment, before);
        yield part;
        if (part.type === 'end') return;
      }
    } catch (error) {
      progress.note(attempt.assignment, error);
    } finally {
      attempt.close();
    }
    if (progress.tokenCount > before) left = MAX_CONTINUATIONS;
    // All of it came; only the word that this was the end did not.
    if (progress.tokenCount === options.maxTokens) {
      yield progress.endWith(
        'length',
        { promptTokens: 0, cachedTokens: 0, completionTokens: progress.tokenCount },
        null,
      );
      return;
    }
  }
  throw options.failure(progress.lastError);
}

/** What is known of one answer from peer to peer. */
class AnswerProgress<Route> {
  readonly #options: AnswerOptions<Route>;
  readonly #signal: AbortSignal;
  readonly #startedMs: number;
  readonly #failed = new Set<PeerId>();
  #text = '';
  #begunBy: ClassId | undefined;
  #contextTokens = 1;
  #firstTokenMs: number | undefined;
  tokenCount = 0;
  lastError: MeshError | undefined;

  constructor(options: AnswerOptions<Route>, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#startedMs = options.clock.monotonicMs();
    const { begun } = options;
    if (begun === undefined) return;
    this.#text = begun.text;
    this.#begunBy = begun.classId;
    this.tokenCount = begun.tokenCount;
  }

  assign(besides?: PeerId): Assignment<Route> | undefined {
    const { tokenCount } = this;
    return this.#options.assign({
      failed: besides === undefined ? this.#failed : new Set([...this.#failed, besides]),
      contextTokens: this.#contextTokens,
      begun: this.#begunBy === undefined ? undefined : { text: this.#text, tokenCount, classId: this.#begunBy },
    });
  }

  /** The peer that speaks first, while the others are told to stop; undefined when none does. */
  async race(assignment: Assignment<Route>): Promise<Spoken<Route> | undefined> {
    const { clock, mayRace, onLate } = this.#options;
    const first = this.#begin(assignment);
    const attempts = [first];
    try {
      if (await isLate(attempts, assignment.lateMs, clock)) {
        const rival = this.assign(assignment.peerId);
        if (rival !== undefined && mayRace()) attempts.push(this.#begin(rival));
      }
      const winner = await firstToSpeak(attempts);
      for (const attempt of attempts) if (attempt !== winner?.attempt) attempt.close();
      for (const { assignment: lost, failure } of attempts) if (failure !== undefined) this.note(lost, failure.error);
      if (winner !== undefined && first !== winner.attempt && first.failure === undefined) onLate(assignment.peerId);
      return winner;
    } catch (error) {
      for (const attempt of attempts) attempt.close();
      throw error;
    }
  }

  /** What the reader gets for an event of the peer, which had `before` tokens from others in front of its own. */
  take(event: JobEvent, assignment: Assignment<Route>, before: number): TokensEvent | AnswerEnd {
    const { peerId, classId } = assignment;
    const { clock, onBegun, onAnswered, onFailed } = this.#options;
    if (event.type === 'tokens') {
      if (this.#firstTokenMs === undefined && event.text !== '') {
        this.#firstTokenMs = clock.monotonicMs();
        onBegun();
      }
      this.#begunBy ??= classId;
      this.#text += event.text;
      this.tokenCount += event.tokenCount;
      // Whoever failed before may be back by the time that this one is lost.
      this.#failed.clear();
      return event;
    }
    const { reason, usage, measurement } = event;
    const completionTokens = before + usage.completionTokens;
    const end = this.endWith(reason, { ...usage, completionTokens }, measurement?.tokensPerSecond ?? null);
    if (measurement !== undefined) onAnswered(peerId, end);
    // Without text there is no sample either, and what it announced would go on to win.
    else if (!isWordless(assignment, usage)) onFailed(peerId);
    return end;
  }

  endWith(reason: FinishReason, usage: Usage, tokensPerSecond: number | null): AnswerEnd {
    const ttftMs = (this.#firstTokenMs ?? this.#options.clock.monotonicMs()) - this.#startedMs;
    return { type: 'end', reason, usage, ttftMs, tokensPerSecond };
  }

  /** @throws what no other peer would heal */
  note({ peerId, contextTokens }: Assignment<Route>, error: unknown): void {
    if (this.#signal.aborted) throw MeshError.cancelled();
    if (!MeshError.is(error)) throw error;
    if (isBroken(error)) this.#options.onFailed(peerId);
    if (!isLessTelling(error, this.lastError)) this.lastError = error;
    if (error.code === 'context_length_exceeded') {
      this.#contextTokens = Math.max(this.#contextTokens, contextTokens + 1);
    } else if (error.retryable) this.#failed.add(peerId);
    else throw error;
  }

  #begin(assignment: Assignment<Route>): Attempt<Assignment<Route>> {
    const { clock, requester, model, client, deadlineAtMs, lineTo, onOutcome } = this.#options;
    const { jobId, peerId, parameters, stallMs, pace } = assignment;
    return new Attempt(
      assignment,
      async (stop) => {
        const line = await lineTo(peerId, stop);
        // Who reads already waits for the next token, however late the first one may be.
        const patienceMs =
          deadlineAtMs === undefined || this.tokenCount > 0 ? undefined : deadlineAtMs - clock.monotonicMs();
        const job = { jobId, model, ...queueHints(client, patienceMs), parameters };
        return requester.run(line, job, stop, {
          onOutcome: (outcome) => onOutcome(peerId, jobId, outcome),
          onLeftWaiting: () => {
            // Not when another peer was faster, which is told as that.
            if (this.#signal.aborted) this.#options.onLeftWaiting(peerId);
          },
          pace,
          stallMs,
        });
      },
      this.#signal,
    );
  }
}

/** Its tokens may have no text because of what was asked: they became a stop string, or were too few for a character. */
function isWordless<Route>(
  { parameters: { stop, maxTokens } }: Assignment<Route>,
  { completionTokens }: Usage,
): boolean {
  return completionTokens > 0 && (stop.length > 0 || completionTokens === maxTokens);
}

/** A busy peer can answer later, which no other failure says; of several the one that is free first counts. */
function isLessTelling(error: MeshError, than: MeshError | undefined): boolean {
  if (than?.code !== 'peer_busy') return false;
  return error.code !== 'peer_busy' || Number(error.details.waitMs ?? 0) > Number(than.details.waitMs ?? 0);
}
