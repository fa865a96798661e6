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

export interface AnnouncerOptions {
  readonly identity: Signer;
  readonly kind: PeerKind;
  readonly version: string;
  readonly clock: Clock;
  readonly memoryBytes?: number | null | undefined;
  state(): Announcement['state'];
  models(): ServedModel[];
  links(): Announcement['links'];
  capabilities(): readonly string[];
  /** It is time that every entry gets a fresh record. */
  send(): void;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  #state: 'stopped' | 'running' = 'stopped';
  /** A join carried a record since this end was last without an entry. */
  #saidByJoin = false;
  #sequence = 0;
  #cancelTimer: (() => void) | undefined;
  #changeAtMs = Number.POSITIVE_INFINITY;
  #lastSentMs = Number.NEGATIVE_INFINITY;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** What would be announced now. @param issuedAtMs Unix milliseconds */
  current(issuedAtMs = this.#options.clock.wallMs()): Announcement {
    const { identity, kind, version } = this.#options;
    return {
      type: 'announcement',
      peerId: identity.peerId,
      kind,
      version,
      sequence: this.#sequence,
      issuedAtMs,
      lifetimeMs: ANNOUNCEMENT_LIFETIME_MS,
      state: this.#options.state(),
      memoryBytes: this.#options.memoryBytes ?? null,
      models: this.#options.models(),
      links: this.#options.links().slice(0, MAX_ANNOUNCED_LINKS),
      capabilities: [...this.#options.capabilities()],
    };
  }

  /**
   * A fresh record. Sequences start at the time of its issue, so that a restarted peer is newer than it was.
   * @param issuedAtMs Unix milliseconds by the clock of the entry that it is for
   */
  sign(issuedAtMs = this.#options.clock.wallMs()): SignedRecord {
    this.#sequence = Math.max(this.#sequence + 1, issuedAtMs);
    // What a first join carries need not be said again; that of any further one is news to its own entry only.
    if (this.#state === 'stopped' && !this.#saidByJoin) this.#noteSent();
    this.#saidByJoin = true;
    return this.#options.identity.sign(this.current(issuedAtMs));
  }

  /** From the moment that an entry welcomed this end. */
  start(): void {
    this.#state = 'running';
    this.#schedule();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#saidByJoin = false;
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
    this.#send();
  }

  #send(): void {
    this.#noteSent();
    this.#options.send();
    this.#schedule();
  }

  #noteSent(): void {
    this.#lastSentMs = this.#options.clock.monotonicMs();
    this.#changeAtMs = Number.POSITIVE_INFINITY;
  }

  #schedule(): void {
    if (this.#state === 'stopped') return;
    const { clock } = this.#options;
    this.#cancelTimer?.();
    const atMs = Math.min(this.#changeAtMs, this.#lastSentMs + ANNOUNCEMENT_RENEWAL_MS);
    this.#cancelTimer = clock.after(Math.max(0, atMs - clock.monotonicMs()), () => this.#send());
  }
}
