/** How a peer is dialled: by the way that led to it last, else the best one that both ends have and that has not failed. */
import type { Transport, Transports } from '../ports/transport.ts';
import type { PeerId } from '../protocol/ids.ts';
import { Trials } from './trials.ts';

export interface ApproachesOptions {
  /** The ways in which a link may come about, best first; the first is one that everybody has. */
  readonly transports: Transports;
  /** Whether the peer announced this way to connect; asked of all but the first. */
  hasWay(peerId: PeerId, way: string): boolean;
}

export class Approaches {
  readonly #options: ApproachesOptions;
  readonly #ways = new Trials<string>();

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

  next(peerId: PeerId): Transport {
    const way = this.#untriedWay(peerId);
    // None is left: begin again with the first.
    if (way === undefined) this.forget(peerId);
    return this.find(way ?? this.first.way) ?? this.first;
  }

  failed(peerId: PeerId, way: string): void {
    this.#ways.failed(peerId, way);
  }

  /** A link to the peer opened, whoever began it. */
  opened(peerId: PeerId, way: string): void {
    this.#ways.worked(peerId, way);
  }

  forget(peerId: PeerId): void {
    this.#ways.forget(peerId);
  }

  #untriedWay(peerId: PeerId): string | undefined {
    const { transports, hasWay } = this.#options;
    const ways = transports.map(({ way }) => way).filter((way) => way === this.first.way || hasWay(peerId, way));
    return this.#ways.untried(peerId, ways);
  }
}
