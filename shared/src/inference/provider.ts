/**
 * The answering end of a job: slots and a bounded queue per engine, numbered deltas with back-pressure, cancel down to the
 * engine. It answers whoever hands it a `JobSink`: an open link, or this end's own requester.
 */
import { MeshError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Engine } from '../ports/engine.ts';
import type { Logger } from '../ports/logger.ts';
import type { JobId, ModelId } from '../protocol/ids.ts';
import type { PeerMessageOf } from '../protocol/messages.ts';
import { DeltaWriter, type JobReply } from './delta-writer.ts';
import { type JobMeasurement, JobTimer } from './job-timer.ts';

/** Where a job's messages go. */
export interface JobSink {
  readonly isOpen: boolean;
  send(message: JobReply): void;
  /** Undefined: go on; else wait for it. */
  ready(): Promise<void> | undefined;
}

export interface ProviderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Load, engines or draining changed. */
  onChange(): void;
  /** A job ended well; the measurement is the provider's own, without the network. */
  onMeasured(model: ModelId, measurement: JobMeasurement): void;
}

interface Job {
  readonly start: PeerMessageOf<'job-start'>;
  readonly sink: JobSink;
  readonly controller: AbortController;
}

interface Service {
  readonly engine: Engine;
  readonly running: Map<JobId, Job>;
  readonly queue: Job[];
  state: 'ready' | 'draining';
  /** Smoothed length of an answer, for wait estimates. */
  answerMs: number;
  onIdle: (() => void) | undefined;
}

/** Waiting answers per slot; past it a wait is worse than another peer. */
const QUEUE_PER_SLOT = 4;
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
    if (this.#services.has(engine.model.id)) {
      throw new MeshError('invalid_request', `This peer serves '${engine.model.id}' already. Stop that engine first.`);
    }
    this.#services.set(engine.model.id, {
      engine,
      running: new Map(),
      queue: [],
      state: 'ready',
      answerMs: FIRST_ANSWER_GUESS_MS,
      onIdle: undefined,
    });
    this.#options.onChange();
  }

  /** Refuses new jobs, moves waiting ones away, and waits `graceMs` for running ones before it cancels them. */
  async removeEngine(engine: Engine, graceMs: number): Promise<void> {
    const service = this.#services.get(engine.model.id);
    if (service === undefined || service.engine !== engine || service.state === 'draining') return;
    service.state = 'draining';
    for (const job of service.queue.splice(0)) this.#refuse(job.sink, job.start.jobId, MeshError.peerDraining());
    this.#options.onChange();
    if (service.running.size > 0) {
      const idle = new Promise<void>((resolve) => {
        service.onIdle = resolve;
      });
      const cancelGrace = this.#options.clock.after(graceMs, () => {
        for (const job of service.running.values()) job.controller.abort(MeshError.peerDraining());
      });
      await idle;
      cancelGrace();
    }
    this.#services.delete(engine.model.id);
    this.#options.onChange();
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

  handleStart(sink: JobSink, start: PeerMessageOf<'job-start'>): void {
    const service = this.#services.get(start.model);
    if (service === undefined) {
      this.#refuse(sink, start.jobId, MeshError.noPeerWithModel(start.model));
    } else if (service.state === 'draining') {
      this.#refuse(sink, start.jobId, MeshError.peerDraining());
    } else if (this.#find(start.jobId) !== undefined) {
      // The same id twice would mix two answers; the first one goes on.
      this.#options.logger.warn({ jobId: start.jobId }, 'A job was started twice; the second start was dropped.');
    } else if (service.queue.length >= service.engine.model.slots * QUEUE_PER_SLOT) {
      this.#refuse(sink, start.jobId, MeshError.peerBusy(this.#waitMs(service)));
    } else {
      service.queue.push({ start, sink, controller: new AbortController() });
      this.#fill(service);
      this.#options.onChange();
    }
  }

  /** Only who started a job can cancel it. */
  handleCancel(sink: JobSink, jobId: JobId): void {
    const found = this.#find(jobId);
    if (found !== undefined && found.job.sink === sink) this.#cancel(found.service, found.job);
  }

  handleSinkClosed(sink: JobSink): void {
    for (const service of this.#services.values()) {
      for (const job of [...service.queue, ...service.running.values()]) {
        if (job.sink === sink) this.#cancel(service, job);
      }
    }
  }

  #cancel(service: Service, job: Job): void {
    job.controller.abort(MeshError.cancelled());
    const waiting = service.queue.indexOf(job);
    if (waiting !== -1) service.queue.splice(waiting, 1);
    this.#options.onChange();
  }

  #find(jobId: JobId): { service: Service; job: Job } | undefined {
    for (const service of this.#services.values()) {
      const job = service.running.get(jobId) ?? service.queue.find((waiting) => waiting.start.jobId === jobId);
      if (job !== undefined) return { service, job };
    }
    return undefined;
  }

  #waitMs(service: Service): number {
    return Math.ceil((service.queue.length / service.engine.model.slots) * service.answerMs);
  }

  #fill(service: Service): void {
    while (service.running.size < service.engine.model.slots) {
      const job = service.queue.shift();
      if (job === undefined) return;
      service.running.set(job.start.jobId, job);
      void this.#run(service, job).finally(() => {
        service.running.delete(job.start.jobId);
        this.#fill(service);
        if (service.running.size === 0) service.onIdle?.();
        this.#options.onChange();
      });
    }
  }

  async #run(service: Service, { start, sink, controller }: Job): Promise<void> {
    const { clock } = this.#options;
    const { jobId } = start;
    const startedMs = clock.monotonicMs();
    const timer = new JobTimer(startedMs);
    const writer = new DeltaWriter({ jobId, sink, clock });
    let ended = false;
    try {
      for await (const event of service.engine.generate(start.parameters, controller.signal)) {
        if (event.type === 'tokens') {
          timer.tokens(clock.monotonicMs(), event.tokenCount);
          writer.push(event.text, event.tokenCount);
          const pause = sink.ready();
          if (pause !== undefined) await pause;
        } else {
          ended = true;
          writer.end(event.reason, event.usage);
        }
      }
      if (!ended) throw MeshError.engineFailed('it stopped without an end');
      const measurement = timer.measurement();
      if (measurement !== undefined) this.#options.onMeasured(start.model, measurement);
      this.#finishedJobs += 1;
      service.answerMs += ANSWER_WEIGHT * (clock.monotonicMs() - startedMs - service.answerMs);
    } catch (error) {
      writer.close();
      const reason: unknown = controller.signal.aborted ? controller.signal.reason : error;
      this.#refuse(sink, jobId, MeshError.is(reason) ? reason : MeshError.engineFailed(messageOf(reason), reason));
    } finally {
      this.#tokens += writer.tokenCount;
    }
  }

  #refuse(sink: JobSink, jobId: JobId, error: MeshError): void {
    if (error.code === 'cancelled' || !sink.isOpen) return;
    if (error.code === 'engine_failed') this.#options.logger.warn({ jobId, error }, error.message);
    const { waitMs } = error.details;
    sink.send({
      type: 'job-error',
      jobId,
      code: error.code,
      message: error.message.slice(0, 2000),
      retryable: error.retryable,
      ...(typeof waitMs === 'number' ? { waitMs } : {}),
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
