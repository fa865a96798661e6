/**
 * How a peer is dialled: in which way, and by which source its descriptions go. What led to the peer last comes first, then
 * what has not failed.
 */
import type { Transport, Transports } from '../ports/transport.ts';
import type { PeerId, SourceId } from '../protocol/ids.ts';
import { Trials } from './trials.ts';

export interface ApproachesOptions {
  /** The ways in which a link may come about, best first; the first is one that everybody has. */
  readonly transports: Transports;
  /** Whether the peer announced this way to connect; asked of all but the first. */
  hasWay(peerId: PeerId, way: string): boolean;
  /** The sources that are there and vouch for the peer. Default: one that goes without saying. */
  sourcesOf?(peerId: PeerId): readonly SourceId[];
}

export interface Approach {
  readonly transport: Transport;
  readonly source: SourceId | undefined;
}

/** How an attempt went. */
export interface FailedApproach {
  readonly way: string;
  readonly source: SourceId | undefined;
  /** Something was said to the other end, and nothing came back. */
  readonly isUnheard: boolean;
}

export class Approaches {
  readonly #options: ApproachesOptions;
  readonly #ways = new Trials<string>();
  readonly #sources = new Trials<SourceId>();

  constructor(options: ApproachesOptions) {
    this.#options = options;
  }

  /** The way that goes without saying. */
  get first(): Transport {
    return this.#options.transports[0];
  }

  /** The transport of a way that this end has. */
  find(way: string): Transport | undefined {
    return this.#options.transports.find((transport) => transport.way === way);
  }

  hasUntried(peerId: PeerId): boolean {
    return this.#untriedWay(peerId) !== undefined;
  }

  next(peerId: PeerId): Approach {
    const way = this.#untriedWay(peerId);
    // None is left: begin again with the first.
    if (way === undefined) this.#ways.forget(peerId);
    return { transport: this.find(way ?? this.first.way) ?? this.first, source: this.#untriedSource(peerId) };
  }

  /** A source that drops descriptions looks like a way that leads nowhere: each source is asked before the way is at fault. */
  failed(peerId: PeerId, { way, source, isUnheard }: FailedApproach): void {
    if (source !== undefined && isUnheard) {
      this.#sources.failed(peerId, source);
      if (this.#untriedSource(peerId) !== undefined) return;
      this.#sources.forget(peerId);
    }
    this.#ways.failed(peerId, way);
  }

  /** A link to the peer opened, whoever began it. */
  opened(peerId: PeerId, way: string, source: SourceId | undefined): void {
    this.#ways.worked(peerId, way);
    if (source !== undefined) this.#sources.worked(peerId, source);
  }

  forget(peerId: PeerId): void {
    this.#ways.forget(peerId);
    this.#sources.forget(peerId);
  }

  #untriedWay(peerId: PeerId): string | undefined {
    const { transports, hasWay } = this.#options;
    const ways = transports.map(({ way }) => way).filter((way) => way === this.first.way || hasWay(peerId, way));
    return this.#ways.untried(peerId, ways);
  }

  #untriedSource(peerId: PeerId): SourceId | undefined {
    return this.#sources.untried(peerId, this.#options.sourcesOf?.(peerId) ?? []);
  }
}
