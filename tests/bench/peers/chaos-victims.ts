/**
 * The peers of `chaos-real`: for each that goes another one comes, and for a while one of them is left alone. Only one to
 * which nothing was done yet can be that one: what was done to the others may still show.
 */
import type { Mesh, PeerId } from '@tabmesh/shared';
import { whenLinked } from './bench-mesh.ts';
import type { ChaosPeer } from './chaos-peers.ts';

export type StartPeer = () => Promise<ChaosPeer>;

/** A start fails when the entry goes in the middle of it. */
const STARTS = 5;

interface Victim {
  readonly peer: ChaosPeer;
  readonly start: StartPeer;
  isTouched: boolean;
}

export class Victims {
  readonly #asker: Mesh;
  readonly #signal: AbortSignal;
  readonly #there = new Map<PeerId, Victim>();
  #spared: Victim | undefined;
  readonly #coming = new Set<Promise<void>>();

  constructor(asker: Mesh, starts: readonly StartPeer[], signal: AbortSignal) {
    this.#asker = asker;
    this.#signal = signal;
    for (const start of starts) this.#admit(start);
  }

  /** Resolves once so many are linked to the asker and one of them, by lot but not `favourite`, is left alone. */
  async ready(count: number, favourite: PeerId | undefined, lot: number): Promise<void> {
    for (;;) {
      const untouched = [...this.#there.values()].filter(
        ({ isTouched, peer }) => !isTouched && peer.serving.peerId !== favourite,
      );
      this.#spared = untouched[Math.floor(lot * untouched.length)];
      if (this.#spared !== undefined && this.#there.size >= count) return;
      if (this.#coming.size === 0) await this.#oldest()?.kill();
      await Promise.race(this.#coming);
    }
  }

  /** For something to be done to it: the one of that id, else one by lot; undefined when there is none. */
  touch(peerId: PeerId | undefined, lot: number): ChaosPeer | undefined {
    const touchable = [...this.#there.values()].filter((victim) => victim !== this.#spared);
    const found = touchable.find(({ peer }) => peer.serving.peerId === peerId);
    const victim = found ?? touchable[Math.floor(lot * touchable.length)];
    if (victim !== undefined) victim.isTouched = true;
    return victim?.peer;
  }

  /** Its end is under way. */
  replace(peer: ChaosPeer): void {
    const { peerId } = peer.serving;
    const victim = this.#there.get(peerId);
    this.#there.delete(peerId);
    if (victim !== undefined) this.#admit(victim.start);
  }

  /** Gives way to one to which nothing was done. */
  #oldest(): ChaosPeer | undefined {
    const [oldest] = this.#there.values();
    if (oldest !== undefined) this.replace(oldest.peer);
    return oldest?.peer;
  }

  #admit(start: StartPeer): void {
    const coming = this.#arrival(start);
    this.#coming.add(coming);
    // A failure stays there for whoever waits next.
    coming.then(
      () => this.#coming.delete(coming),
      () => {},
    );
  }

  async #arrival(start: StartPeer): Promise<void> {
    const peer = await this.#started(start);
    await whenLinked(this.#asker, peer.serving, this.#signal);
    this.#there.set(peer.serving.peerId, { peer, start, isTouched: false });
  }

  async #started(start: StartPeer): Promise<ChaosPeer> {
    for (let left = STARTS; ; left -= 1) {
      try {
        return await start();
      } catch (error) {
        if (left === 1 || this.#signal.aborted) throw error;
      }
    }
  }
}
