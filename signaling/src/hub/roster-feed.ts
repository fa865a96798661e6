/**
 * How one member hears of the roster: first all of it, then each change with everyone else. One that does not keep up is
 * left alone until it has read what it has, and is then told what it missed. So whoever reads slowly stays, and whoever
 * does not read costs little, for a while.
 */
import type { Clock, RosterDelta } from '@tabmesh/shared';
import { MEMBER_BACKLOG_BYTES, MEMBER_UNREAD_MS } from '../limits/limits.ts';
import type { MissedChanges } from './hub-roster.ts';
import type { SendBuffer } from './send-buffer.ts';

export interface RosterFeedOptions {
  readonly clock: Clock;
  readonly buffer: Pick<SendBuffer, 'heldBytes' | 'onSent'>;
  /** What comes after a change of the roster that the member knows. */
  changesSince(change: number): MissedChanges;
  send(delta: RosterDelta): void;
  /** From now on it hears each change with everyone else, or no longer. */
  onState(state: 'current' | 'behind'): void;
  /** It takes nothing any more, or has missed more than is remembered. */
  onLost(): void;
}

export class RosterFeed {
  readonly #options: RosterFeedOptions;
  #missed: MissedChanges | undefined;
  #cancelPatience = () => {};
  #closed = false;

  constructor(options: RosterFeedOptions, missed: MissedChanges) {
    this.#options = options;
    this.#missed = missed;
    options.buffer.onSent(() => this.#goOn());
    this.#goOn();
  }

  /** Before a change is told to everyone; `change` is the last one that everyone knows. */
  beforeChange(change: number): void {
    const { buffer, changesSince, onState } = this.#options;
    if (this.#missed !== undefined || buffer.heldBytes <= MEMBER_BACKLOG_BYTES) return;
    this.#missed = changesSince(change);
    onState('behind');
    this.#expectReading();
  }

  close(): void {
    this.#closed = true;
    this.#cancelPatience();
  }

  #goOn(): void {
    const { buffer, send, onState, onLost } = this.#options;
    if (this.#closed || this.#missed === undefined) return;
    while (buffer.heldBytes <= MEMBER_BACKLOG_BYTES) {
      const { value, done } = this.#missed.next();
      if (!done) {
        send(value);
        continue;
      }
      this.#cancelPatience();
      this.#missed = undefined;
      if (value === 'known') onState('current');
      else onLost();
      return;
    }
    this.#expectReading();
  }

  #expectReading(): void {
    this.#cancelPatience();
    this.#cancelPatience = this.#options.clock.after(MEMBER_UNREAD_MS, () => this.#options.onLost());
  }
}
