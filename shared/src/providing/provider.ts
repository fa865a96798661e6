/**
 * The answering end of a job: slots and a bounded queue per engine, numbered deltas with back-pressure, cancel down to the
 * engine. It answers whoever hands it a `JobSink`: an open link, or this end's own requester.
 */
import { MeshError } from '../errors.ts';
import { failedOutcome, finishedOutcome, type JobOutcome, logUnsampled } from '../jobs/job-outcome.ts';
import type { JobSink } from '../jobs/job-sink.ts';
import { type JobMeasurement, JobTimer } from '../jobs/job-timer.ts';
import { encodeVector } from '../jobs/vectors.ts';
import {
  ENGINE_RELEASE_TIMEOUT_MS,
  MAX_ENGINES,
  MAX_PARAM_CHARS,
  MAX_QUEUE_WAIT_MS,
  MAX_QUEUED_PER_SLOT,
} from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Engine, EngineEvent } from '../ports/engine.ts';
import type { Logger } from '../ports/logger.ts';
import type { JobId, ModelId } from '../protocol/ids.ts';
import type { JobParameters, PeerMessageOf } from '../protocol/messages.ts';
import { WIRE_CODE_OF } from '../protocol/wire-errors.ts';
import { toldWaitMs } from '../told-wait.ts';
import { DeltaWriter, type Thoughts } from './delta-writer.ts';
import { checkEngineEvent } from './engine-event.ts';
import { checkEngineModel } from './engine-model.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';

export interface ProviderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Load, engines or draining changed. */
  onChange(): void;
  /** A job ended well; the measurement is the provider's own, without the network. Of every other job a line is logged. */
  onMeasured(model: ModelId, measurement: JobMeasurement): void;
}

type Start = PeerMessageOf<'job-start' | 'embed-start'>;

interface Job extends Waiting {
  readonly start: Start;
  readonly controller: AbortController;
  /** Stops the clock of its patience. */
  stopWaiting: () => void;
}

interface Service {
  readonly engine: Engine;
  readonly running: Map<JobId, Job>;
  readonly queue: FairQueue<Job>;
  state: 'ready' | 'draining';
  /** While draining: what everyone who takes the engine away waits for. */
  removed: Promise<void> | undefined;
  /** Smoothed length of an answer, for wait estimates; undefined before the first. */
  answerMs: number | undefined;
  onIdle: (() => void) | undefined;
}

const FIRST_ANSWER_GUESS_MS = 2_000;
const ANSWER_WEIGHT = 0.2;

export class Provider {
  readonly #options: ProviderOptions;
  readonly #services = new Map<ModelId, Service>();
  #finishedJobs = 0;
  #tokens = 0;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  addEngine(engine: Engine): void {
    checkEngineModel(engine.model);
    if (this.#services.has(engine.model.id)) {
      throw new MeshError('invalid_request', `This peer serves '${engine.model.id}' already. Stop that engine first.`);
    }
    if (this.#services.size >= MAX_ENGINES) {
      throw new MeshError('invalid_request', `A peer serves at most ${MAX_ENGINES} models. Stop another one first.`);
    }
    this.#services.set(engine.model.id, {
      engine,
      running: new Map(),
      queue: new FairQueue(),
      state: 'ready',
      removed: undefined,
      answerMs: undefined,
      onIdle: undefined,
    });
    this.#options.onChange();
  }

  /** Refuses new jobs, moves waiting ones away, and waits `graceMs` for running ones before it cancels them. */
  removeEngine(engine: Engine, graceMs: number): Promise<void> {
    const service = this.#services.get(engine.model.id);
    if (service === undefined || service.engine !== engine) return Promise.resolve();
    service.removed ??= this.#drain(service, graceMs);
    return service.removed;
  }

  services(): {
    engine: Engine;
    state: Service['state'];
    inFlight: number;
    queued: number;
  }[] {
    return Array.from(this.#services.values(), ({ engine, state, running, queue }) => ({
      engine,
      state,
      inFlight: running.size,
      queued: queue.length,
    }));
  }

  totals(): { activeJobs: number; finishedJobs: number; tokens: number } {
    let activeJobs = 0;
    for (const service of this.#services.values()) activeJobs += service.running.size;
    return {
      activeJobs,
      finishedJobs: this.#finishedJobs,
      tokens: this.#tokens,
    };
  }

  handleStart(sink: JobSink, start: Start): void {
    const service = this.#services.get(start.model);
    const job: Job = {
      start,
      sink,
      client: start.client,
      controller: new AbortController(),
      stopWaiting: () => {},
    };
    if (service === undefined) {
      this.#refuse(sink, start.jobId, MeshError.noPeerWithModel(start.model));
    } else if (service.state === 'draining') {
      this.#refuse(sink, start.jobId, MeshError.peerDraining());
    } else if (this.#find(start.jobId) !== undefined) {
      // The same id twice would mix two answers; the first one goes on.
      this.#options.logger.warn({ jobId: start.jobId }, 'A job was started twice; the second start was dropped.');
    } else if (!this.#admits(service, job)) {
      this.#refuse(sink, start.jobId, MeshError.peerBusy(this.#waitMs(service, job)));
    } else {
      service.queue.add(job);
      this.#fill(service);
      this.#options.onChange();
    }
  }

  /** Only who started a job can cancel it. */
  handleCancel(sink: JobSink, jobId: JobId): void {
    const found = this.#find(jobId);
    if (found !== undefined && found.job.sink === sink) this.#stop(found.service, found.job, MeshError.cancelled());
  }

  /** Running or waiting ones. */
  hasJobsOf(sink: JobSink): boolean {
    return [...this.#services.values()].some(({ queue, running }) =>
      [...queue.all(), ...running.values()].some((job) => job.sink === sink),
    );
  }

  handleSinkClosed(sink: JobSink): void {
    for (const service of this.#services.values()) {
      for (const job of [...service.queue.all(), ...service.running.values()]) {
        if (job.sink === sink) this.#stop(service, job, MeshError.cancelled());
      }
      service.queue.forget(sink);
    }
  }

  async #drain(service: Service, graceMs: number): Promise<void> {
    const { onChange } = this.#options;
    service.state = 'draining';
    for (const job of service.queue.all()) this.#stop(service, job, MeshError.peerDraining());
    onChange();
    const idle = new Promise<void>((resolve) => {
      service.onIdle = resolve;
    });
    // Without grace they are told within this call: a page that freezes has no other moment.
    if (service.running.size > 0 && (graceMs === 0 || !(await this.#within(graceMs, idle)))) {
      for (const job of service.running.values()) this.#stop(service, job, MeshError.peerDraining());
      await this.#within(ENGINE_RELEASE_TIMEOUT_MS, idle);
    }
    this.#services.delete(service.engine.model.id);
    onChange();
  }

  #within(ms: number, promise: Promise<void>): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, () => resolve(false));
      void promise.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** Says so at once; the slot is free when the engine has let go of it. */
  #stop(service: Service, job: Job, reason: MeshError): void {
    if (job.controller.signal.aborted) return;
    job.controller.abort(reason);
    this.#refuse(job.sink, job.start.jobId, reason);
    job.stopWaiting();
    if (service.queue.remove(job)) logUnsampled(this.#options.logger, job.start, failedOutcome(reason));
    this.#options.onChange();
  }

  /** A slot, or a place in line that is worth its wait; who has most in a full line leaves it for who has less. */
  #admits(service: Service, job: Job): boolean {
    const { engine, running, queue } = service;
    const { slots } = engine.model;
    if (running.size < slots) return true;
    const patienceMs = Math.min(job.start.patienceMs ?? MAX_QUEUE_WAIT_MS, MAX_QUEUE_WAIT_MS);
    if (this.#waitMs(service, job) > patienceMs) return false;
    if (queue.length >= slots * MAX_QUEUED_PER_SLOT) {
      const leaving = queue.lessEntitled(job);
      if (leaving === undefined) return false;
      this.#stop(service, leaving, MeshError.peerBusy(this.#waitMs(service, leaving)));
    }
    job.stopWaiting = this.#options.clock.after(patienceMs, () =>
      this.#stop(service, job, MeshError.peerBusy(this.#waitMs(service, job))),
    );
    return true;
  }

  #find(jobId: JobId): { service: Service; job: Job } | undefined {
    for (const service of this.#services.values()) {
      const job = service.running.get(jobId) ?? service.queue.find(({ start }) => start.jobId === jobId);
      if (job !== undefined) return { service, job };
    }
    return undefined;
  }

  /** Until a job that joins the line now should get its slot. */
  #waitMs({ engine, queue, answerMs = FIRST_ANSWER_GUESS_MS }: Service, job: Waiting): number {
    return Math.ceil(((queue.before(job) + 1) / engine.model.slots) * answerMs);
  }

  #fill(service: Service): void {
    while (service.running.size < service.engine.model.slots) {
      const job = service.queue.next();
      if (job === undefined) return;
      job.stopWaiting();
      service.running.set(job.start.jobId, job);
      void this.#run(service, job).finally(() => {
        service.running.delete(job.start.jobId);
        this.#fill(service);
        if (service.running.size === 0) service.onIdle?.();
        this.#options.onChange();
      });
    }
  }

  #run(service: Service, { start, sink, controller: { signal } }: Job): Promise<void> {
    return start.type === 'job-start'
      ? this.#answer(service, start, sink, signal)
      : this.#embed(service, start, sink, signal);
  }

  async #embed({ engine }: Service, start: PeerMessageOf<'embed-start'>, sink: JobSink, signal: AbortSignal) {
    const { jobId, inputs } = start;
    try {
      if (engine.embed === undefined) throw MeshError.unsupportedFeature('embeddings');
      const { vectors, promptTokens } = await engine.embed(inputs, signal);
      this.#finishedJobs += 1;
      if (sink.isOpen) sink.send({ type: 'embed-end', jobId, vectors: vectors.map(encodeVector), promptTokens });
    } catch (error) {
      if (!signal.aborted) this.#refuse(sink, jobId, failureOf(error));
    }
  }

  async #answer(service: Service, start: PeerMessageOf<'job-start'>, sink: JobSink, signal: AbortSignal) {
    const { clock, logger } = this.#options;
    const { jobId } = start;
    const startedMs = clock.monotonicMs();
    const timer = new JobTimer(startedMs);
    const writer = new DeltaWriter({ jobId, sink, clock, thoughts: thoughtsFor(start) });
    let end: Extract<EngineEvent, { type: 'end' }> | undefined;
    let outcome: JobOutcome | undefined;
    const stopped = aborted(signal);
    try {
      for await (const event of service.engine.generate(parametersFor(start), signal)) {
        checkEngineEvent(event);
        if (event.type === 'end') {
          end = event;
          if (!signal.aborted) writer.end(event);
        } else {
          if (signal.aborted) return;
          timer.tokens(clock.monotonicMs(), event.tokenCount, event.text !== '');
          writer.push(event);
          const pause = sink.ready();
          if (pause !== undefined) await Promise.race([pause, stopped]);
        }
      }
      if (end === undefined) throw MeshError.engineFailed('it stopped without an end');
      // An answer that is complete counts, though its requester may just have left.
      outcome = finishedOutcome(timer.measurement(), end);
      if (outcome.sample !== null) this.#options.onMeasured(start.model, outcome.sample);
      this.#finishedJobs += 1;
      const tookMs = clock.monotonicMs() - startedMs;
      service.answerMs = tookMs * ANSWER_WEIGHT + (service.answerMs ?? tookMs) * (1 - ANSWER_WEIGHT);
    } catch (error) {
      // Whoever stopped the job has told its sink.
      if (signal.aborted) return;
      const failure = failureOf(error);
      outcome = failedOutcome(failure);
      this.#refuse(sink, jobId, failure);
    } finally {
      writer.close();
      this.#tokens += writer.tokenCount;
      logUnsampled(logger, start, outcome ?? failedOutcome(signal.reason));
    }
  }

  #refuse(sink: JobSink, jobId: JobId, error: MeshError): void {
    if (error.code === 'cancelled' || !sink.isOpen) return;
    if (error.code === 'engine_failed') this.#options.logger.warn({ jobId, error }, error.message);
    // An engine that is itself a mesh says so in the words of one.
    const waitMs = toldWaitMs(error.details.waitMs ?? error.details.retryAfterMs);
    const { param } = error.details;
    sink.send({
      type: 'job-error',
      jobId,
      code: WIRE_CODE_OF[error.code],
      message: error.message.slice(0, 2000),
      retryable: error.retryable,
      ...(waitMs === undefined ? {} : { waitMs }),
      ...(typeof param === 'string' ? { param: param.slice(0, MAX_PARAM_CHARS) } : {}),
    });
  }
}

/** Who gets no thoughts would wait for them without a word. */
function parametersFor(start: PeerMessageOf<'job-start'>): JobParameters {
  return thoughtsFor(start) === 'left-out' ? { ...start.parameters, thinking: false } : start.parameters;
}

function thoughtsFor({ marksThoughts, parameters }: PeerMessageOf<'job-start'>): Thoughts {
  if (marksThoughts) return 'marked';
  return parameters.responseFormat === undefined ? 'written' : 'left-out';
}

/** An engine that cancels by itself was closed. */
function failureOf(error: unknown): MeshError {
  if (MeshError.is(error) && error.code !== 'cancelled') return error;
  return MeshError.engineFailed(error instanceof Error ? error.message : String(error), error);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
