/**
 * The peer's end of its prompt process: started when the first long prompt comes or is near, given one prompt at a time, the
 * shortest first, and ended by force with the prompt that it takes too long for.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { type Clock, MeshError, systemClock } from '@tabmesh/shared';
import type { Token } from 'node-llama-cpp';
import { repository } from '../../home/repository.ts';
import {
  PROMPT_PROCESS_IDLE_MS,
  PROMPT_PROCESS_START_MS,
  PROMPT_READING_BASE_MS,
  PROMPT_READING_MS_PER_KIB,
} from '../../limits.ts';
import type { AnswerStop } from '../answer-stop.ts';
import type { PromptOrder, PromptProcessSetup, PromptReply } from './prompt-orders.ts';

interface Waiting {
  readonly order: PromptOrder;
  readonly chars: number;
  readonly stop: AnswerStop;
  resolve(tokens: Token[][]): void;
  reject(error: MeshError): void;
}

type State =
  | { readonly name: 'none' }
  | { readonly name: 'starting' | 'idle'; readonly child: ChildProcess; readonly cancelTimer: () => void }
  | { readonly name: 'reading'; readonly child: ChildProcess; readonly cancelTimer: () => void; readonly one: Waiting }
  | { readonly name: 'closed' };

export class PromptProcess {
  readonly #setup: PromptProcessSetup;
  readonly #clock: Clock;
  readonly #waiting: Waiting[] = [];
  #state: State = { name: 'none' };

  constructor(setup: PromptProcessSetup, clock: Clock = systemClock) {
    this.#setup = setup;
    this.#clock = clock;
  }

  /** For the next prompt, which may be longer than this one. */
  warm(): void {
    if (this.#state.name === 'none') this.#start();
  }

  /**
   * One list of tokens for each text of the order. `chars`: of all of them.
   * @throws MeshError what reading refuses; `invalid_request` when it takes too long or breaks; `cancelled`; `engine_failed`
   */
  read(order: PromptOrder, chars: number, stop: AnswerStop): Promise<Token[][]> {
    if (this.#state.name === 'closed') return Promise.reject(MeshError.cancelled());
    const reading = new Promise<Token[][]>((resolve, reject) => {
      this.#waiting.push({ order, chars, stop, resolve, reject });
    });
    this.warm();
    if (this.#state.name === 'idle') this.#next(this.#state.child, this.#state.cancelTimer);
    return stop.race(reading);
  }

  /** Idempotent. */
  close(): void {
    this.#lose(MeshError.cancelled());
    for (const { reject } of this.#waiting.splice(0)) reject(MeshError.cancelled());
    this.#state = { name: 'closed' };
  }

  #start(): void {
    const child = fork(repository.promptProcess, [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const isOurs = () => 'child' in this.#state && this.#state.child === child;
    child.on('message', (reply: PromptReply) => isOurs() && this.#heard(child, reply));
    const onEnd = () => isOurs() && this.#lose(unreadable());
    child.once('exit', onEnd);
    // Also of what can't be sent any more, which may come twice.
    child.on('error', onEnd);
    child.send(this.#setup, (error) => error !== null && onEnd());
    const cancelTimer = this.#clock.after(PROMPT_PROCESS_START_MS, () => isOurs() && this.#lose(unreadable()));
    this.#state = { name: 'starting', child, cancelTimer };
  }

  #heard(child: ChildProcess, reply: PromptReply): void {
    const state = this.#state;
    if (!('child' in state)) return;
    if (state.name === 'reading') {
      if (reply.type === 'read') state.one.resolve(reply.tokens.map((tokens) => Array.from(tokens) as Token[]));
      if (reply.type === 'refused') {
        const { code, message, retryable, details } = reply;
        state.one.reject(new MeshError(code, message, { retryable, details }));
      }
    }
    this.#next(child, state.cancelTimer);
  }

  #next(child: ChildProcess, cancelTimer: () => void): void {
    cancelTimer();
    const one = this.#takeShortest();
    if (one === undefined) {
      const cancelIdle = this.#clock.after(PROMPT_PROCESS_IDLE_MS, () => this.#lose(MeshError.cancelled()));
      this.#state = { name: 'idle', child, cancelTimer: cancelIdle };
      // Who has nothing else to do need not stay for it.
      child.unref();
      child.channel?.unref();
      return;
    }
    const limitMs = PROMPT_READING_BASE_MS + (one.chars / 1024) * PROMPT_READING_MS_PER_KIB;
    const cancelLimit = this.#clock.after(limitMs, () => this.#lose(unreadable()));
    this.#state = { name: 'reading', child, cancelTimer: cancelLimit, one };
    child.ref();
    child.channel?.ref();
    child.send(one.order);
  }

  /** Who sends long prompts again and again does not keep the others waiting. */
  #takeShortest(): Waiting | undefined {
    const wanted = this.#waiting.filter(({ stop }) => !stop.stopped).sort((one, other) => one.chars - other.chars);
    const [shortest, ...others] = wanted;
    this.#waiting.splice(0, this.#waiting.length, ...others);
    return shortest;
  }

  /** The process is gone or has to go; what it was reading goes with it, and the others get a new one. */
  #lose(reason: MeshError): void {
    const state = this.#state;
    if (!('child' in state)) return;
    state.cancelTimer();
    state.child.kill('SIGKILL');
    this.#state = { name: 'none' };
    if (state.name === 'reading') state.one.reject(reason);
    // One that does not even start is not asked for again and again.
    if (state.name === 'starting') {
      for (const { reject } of this.#waiting.splice(0)) {
        reject(MeshError.engineFailed('the process that reads long prompts did not start'));
      }
    }
    if (this.#waiting.length > 0) this.#start();
  }
}

function unreadable(): MeshError {
  return new MeshError(
    'invalid_request',
    "This text can't be cut into tokens in good time, which long runs of one character do. Break them up, or shorten it.",
  );
}
