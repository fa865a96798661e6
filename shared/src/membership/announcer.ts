/**
 * This end's own announcement: renewed before it expires and soon after something in it changed, however often that is.
 */
import {
  ANNOUNCEMENT_INTERVAL_MS,
  ANNOUNCEMENT_LIFETIME_MS,
  ANNOUNCEMENT_RENEWAL_MS,
  MAX_ANNOUNCED_LINKS,
} from '../limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signer } from '../ports/signer.ts';
import type { Announcement, PeerKind, ServedModel, SignedRecord } from '../protocol/announcement.ts';
import { CAPABILITIES } from '../protocol/capabilities.ts';

export interface AnnouncerOptions {
  readonly identity: Signer;
  readonly kind: PeerKind;
  readonly version: string;
  readonly clock: Clock;
  readonly memoryBytes?: number | null | undefined;
  state(): Announcement['state'];
  models(): ServedModel[];
  links(): Announcement['links'];
  send(record: SignedRecord): void;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  #state: 'stopped' | 'running' = 'stopped';
  #sequence = 0;
  /** The entry's clock, read when it told it. */
  #entryTime: { readonly wallMs: number; readonly atMs: number } | undefined;
  #cancelTimer: (() => void) | undefined;
  #changeAtMs = Number.POSITIVE_INFINITY;
  #lastSentMs = Number.NEGATIVE_INFINITY;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** What would be announced now. */
  current(): Announcement {
    const { identity, kind, version } = this.#options;
    return {
      type: 'announcement',
      peerId: identity.peerId,
      kind,
      version,
      capabilities: [...CAPABILITIES],
      sequence: this.#sequence,
      issuedAtMs: this.#nowMs(),
      lifetimeMs: ANNOUNCEMENT_LIFETIME_MS,
      state: this.#options.state(),
      memoryBytes: this.#options.memoryBytes ?? null,
      models: this.#options.models(),
      links: this.#options.links().slice(0, MAX_ANNOUNCED_LINKS),
    };
  }

  /** From now on announcements are dated by this clock, Unix milliseconds, whatever the device's own says. */
  setTime(entryWallMs: number): void {
    this.#entryTime = { wallMs: entryWallMs, atMs: this.#options.clock.monotonicMs() };
  }

  /** A fresh record. Sequences start at the wall clock, so that a restarted peer is newer than it was. */
  sign(): SignedRecord {
    this.#sequence = Math.max(this.#sequence + 1, this.#nowMs());
    this.#lastSentMs = this.#options.clock.monotonicMs();
    this.#changeAtMs = Number.POSITIVE_INFINITY;
    return this.#options.identity.sign(this.current());
  }

  /** From the moment that the entry welcomed this end. */
  start(): void {
    this.#state = 'running';
    this.#schedule();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  changed(): void {
    const { clock } = this.#options;
    const soonest = Math.max(clock.monotonicMs(), this.#lastSentMs + ANNOUNCEMENT_INTERVAL_MS);
    if (soonest >= this.#changeAtMs) return;
    this.#changeAtMs = soonest;
    this.#schedule();
  }

  /** What would go out soon goes out within this call: for a device whose timers are about to stop. */
  flush(): void {
    if (this.#state === 'stopped' || this.#changeAtMs === Number.POSITIVE_INFINITY) return;
    this.#options.send(this.sign());
    this.#schedule();
  }

  #nowMs(): number {
    const { clock } = this.#options;
    const told = this.#entryTime;
    return told === undefined ? clock.wallMs() : Math.round(told.wallMs + clock.monotonicMs() - told.atMs);
  }

  #schedule(): void {
    if (this.#state === 'stopped') return;
    const { clock, send } = this.#options;
    this.#cancelTimer?.();
    const atMs = Math.min(this.#changeAtMs, this.#lastSentMs + ANNOUNCEMENT_RENEWAL_MS);
    this.#cancelTimer = clock.after(Math.max(0, atMs - clock.monotonicMs()), () => {
      send(this.sign());
      this.#schedule();
    });
  }
}
