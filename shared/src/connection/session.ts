/**
 * One attempt at a link and, if it succeeds, the link that it became. Its descriptions go out numbered, and come in each
 * once and in its turn.
 */
import type { PeerId, SessionId, SourceId } from '../protocol/ids.ts';
import type { SessionDescription } from '../protocol/signaling.ts';
import { Link, type LinkOptions } from './link.ts';

export interface SessionOptions {
  readonly id: SessionId;
  readonly role: SessionDescription['role'];
  /** By which its descriptions go: the one that brought the offer, or that is tried. */
  readonly source: SourceId | undefined;
  /** Its way is said beside the payload, unless it is the one that everybody has. */
  readonly sayWay: boolean;
  readonly link: Omit<LinkOptions, 'initiator' | 'onSignal' | 'onOpen' | 'onClose'>;
  describe(description: SessionDescription): void;
  onOpen(): void;
  onClose(error: Error | undefined): void;
}

export class Session {
  readonly id: SessionId;
  readonly remote: PeerId;
  readonly role: SessionDescription['role'];
  readonly source: SourceId | undefined;
  readonly link: Link;
  readonly beganMs: number;
  /** Undefined while it is an attempt. */
  openedMs: number | undefined;
  readonly #options: SessionOptions;
  #state: 'beginning' | 'begun' = 'beginning';
  /** What the link said while it was being made. */
  readonly #early: string[] = [];
  #nextSentIndex = 0;
  #nextReceivedIndex = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.remote = options.link.remote;
    this.role = options.role;
    this.source = options.source;
    this.beganMs = options.link.clock.monotonicMs();
    this.link = new Link({
      ...options.link,
      initiator: options.role === 'offerer',
      onSignal: (payload) => {
        if (this.#state === 'beginning') this.#early.push(payload);
        else this.#describe(payload);
      },
      onOpen: () => {
        if (this.#state === 'begun') options.onOpen();
      },
      onClose: (_link, error) => {
        if (this.#state === 'begun') options.onClose(error);
      },
    });
  }

  /** Once its owner knows it. */
  begin(): void {
    this.#state = 'begun';
    for (const payload of this.#early) this.#describe(payload);
  }

  /** Something was said to the other end, and nothing came back. */
  get isUnheard(): boolean {
    return this.#nextSentIndex > 0 && this.#nextReceivedIndex === 0;
  }

  handleDescription({ from, role, index, payload }: SessionDescription): void {
    if (this.remote !== from || this.role === role || index !== this.#nextReceivedIndex) return;
    this.#nextReceivedIndex += 1;
    this.link.signal(payload);
  }

  #describe(payload: string): void {
    const { link, sayWay, describe } = this.#options;
    const index = this.#nextSentIndex;
    this.#nextSentIndex += 1;
    describe({
      type: 'session-description',
      from: link.self,
      to: this.remote,
      sessionId: this.id,
      role: this.role,
      index,
      ...(sayWay ? { way: link.transport.way } : {}),
      payload,
    });
  }
}
