/**
 * An event stream that outlives its reader, for whoever asked for that: its events have numbers, the last ones are kept, and
 * who lost the connection reads on behind the last one that came. Until then the answer goes on, as far as there is room.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '@tabmesh/shared';
import type { FastifyReply } from 'fastify';
import { KEPT_STREAM_CHARS, KEPT_STREAM_MS } from '../limits/limits.ts';
import type { UnreadShare } from '../limits/unread-bytes.ts';
import { EventStream, openEventStream } from './event-stream.ts';

export interface KeptStreamOptions {
  readonly clock: Clock;
  /** Ends the answer. */
  readonly abort: AbortController;
  /** What is kept is so much more, or less. */
  onKept(chars: number): void;
  /** Nobody can read on any more. */
  onForgotten(): void;
}

export class KeptStream extends EventStream {
  readonly #options: KeptStreamOptions;
  /** `this`: the reply that it was opened for. */
  #reader: EventStream | undefined = this;
  #response: ServerResponse;
  /** As they were written, the first one with the number `#firstId`. */
  #events: string[] = [];
  #firstId = 1;
  #chars = 0;
  #state: 'going' | 'ended' | 'forgotten' = 'going';
  /** False: whoever reads it now is the last one. */
  #isKept = true;
  readonly #waiting = new Set<() => void>();
  #cancelTimer: (() => void) | undefined;

  constructor(response: ServerResponse, unread: UnreadShare, options: KeptStreamOptions) {
    super(response, options.clock, unread);
    this.#options = options;
    this.#response = response;
    this.#watch(response);
  }

  /** An answer that could be forgotten without a loss. */
  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  get keptChars(): number {
    return this.#chars;
  }

  /** For good. */
  override get isCutOff(): boolean {
    return this.#state === 'forgotten';
  }

  override send(data: string, event?: string): void {
    const id = this.#firstId + this.#events.length;
    const name = event === undefined ? '' : `event: ${event}\n`;
    const written = `id: ${id}\n${name}data: ${data}\n\n`;
    if (this.#isKept) {
      this.#events.push(written);
      this.#count(written.length);
    } else this.#firstId += 1;
    // Of what a reader that is there has read long ago only so much stays.
    if (this.#reader !== undefined && this.#chars > KEPT_STREAM_CHARS) this.#trim();
    this.#write(written);
  }

  override comment(text: string): void {
    this.#write(`: ${text}\n\n`);
  }

  /** Without a reader the answer goes on until there is no room left for it. */
  override backlog(): Promise<void> | undefined {
    if (this.#reader === this) return super.backlog();
    if (this.#reader !== undefined) return this.#reader.backlog();
    if (this.#chars < KEPT_STREAM_CHARS || this.isCutOff) return undefined;
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  override end(): void {
    if (this.#state !== 'going') return;
    this.#state = 'ended';
    if (this.#reader === this) super.end();
    else this.#reader?.end();
    // What was handed to the connection may still be lost on its way.
    if (this.#isKept) this.#startTimer();
  }

  /** Undefined when the events behind that one are not kept any more, or none has that number. */
  eventsBehind(lastId: number): string | undefined {
    const from = lastId + 1 - this.#firstId;
    if (!this.#isKept || from < 0 || from > this.#events.length) return undefined;
    return this.#events.slice(from).join('');
  }

  /** The new reader takes the place of one that may not have been missed yet. */
  readOn(reply: FastifyReply, events: string): void {
    const before = this.#response;
    const reader = openEventStream(reply, this.#options.clock);
    this.#reader = reader;
    this.#response = reply.raw;
    if (!before.writableFinished) before.destroy();
    this.#watch(reply.raw);
    // The next event may be long in coming, and a client wants to know that it reads again.
    reply.raw.flushHeaders();
    reader.write(events);
    if (this.#state === 'ended') reader.end();
    else this.#cancelTimer?.();
    this.#release();
  }

  /** Idempotent. Who reads it now may read it to its end; without a reader the answer ends. */
  forget(): void {
    if (!this.#isKept) return;
    this.#isKept = false;
    this.#cancelTimer?.();
    this.#firstId += this.#events.length;
    this.#events = [];
    this.#count(-this.#chars);
    this.#options.onForgotten();
    if (this.#reader === undefined || this.#state === 'ended') this.#giveUp();
  }

  #giveUp(): void {
    const wasGoing = this.#state === 'going';
    this.#state = 'forgotten';
    if (wasGoing) this.#options.abort.abort();
    this.#release();
  }

  #watch(response: ServerResponse): void {
    response.once('close', () => {
      if (response !== this.#response) return;
      this.#reader = undefined;
      if (this.#isKept) this.#startTimer();
      else if (this.#state === 'going') this.#giveUp();
    });
  }

  #startTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(KEPT_STREAM_MS, () => this.forget());
  }

  #write(text: string): void {
    if (this.#reader === this) super.write(text);
    else this.#reader?.write(text);
  }

  /** Several at once: one by one would move all others each time. */
  #trim(): void {
    let [count, chars] = [0, 0];
    while (this.#chars - chars > KEPT_STREAM_CHARS * 0.75) {
      chars += this.#events[count]?.length ?? this.#chars;
      count += 1;
    }
    this.#events.splice(0, count);
    this.#firstId += count;
    this.#count(-chars);
  }

  #count(chars: number): void {
    this.#chars += chars;
    this.#options.onKept(chars);
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
