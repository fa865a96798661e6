/**
 * One loaded engine and its place in the mesh: it serves, or is held back. Entering and leaving take turns, because
 * leaving lasts as long as the answers that still run. A held engine stays loaded, and nothing is measured on it.
 */
import type { BaselineCollector, Engine, Mesh } from '@tabmesh/shared';

/** Stands in front of an engine and measures it while it has nothing to do. */
export type CollectBaseline = (engine: Engine, mesh: Mesh) => Promise<Pick<BaselineCollector, 'engine' | 'close'>>;

export interface LenderOptions {
  readonly engine: Engine;
  readonly mesh: Mesh;
  readonly collectBaseline: CollectBaseline;
  /** `state` changed. */
  onChange(): void;
}

export class Lender {
  state: 'held' | 'serving' | 'leaving' = 'held';
  readonly #options: LenderOptions;
  #wanted = false;
  #graceMs = 0;
  #collector: Awaited<ReturnType<CollectBaseline>> | undefined;
  #isTurning = false;
  #turning: Promise<void> = Promise.resolve();

  constructor(options: LenderOptions) {
    this.#options = options;
  }

  /** Resolves once the engine serves, or is no longer meant to. */
  lend(): Promise<void> {
    this.#wanted = true;
    return this.#turn();
  }

  /**
   * The mesh hears it within this very call, unless the engine is entering. Resolves when the last answer has ended, or
   * has moved after `graceMs`.
   */
  holdBack(graceMs: number): Promise<void> {
    this.#wanted = false;
    this.#graceMs = graceMs;
    return this.#turn();
  }

  async close(): Promise<void> {
    // Why it could not enter is told to whoever wanted it in.
    await this.holdBack(0).catch(() => {});
    await this.#options.engine.close();
  }

  #turn(): Promise<void> {
    if (!this.#isTurning) this.#turning = this.#follow();
    return this.#turning;
  }

  async #follow(): Promise<void> {
    this.#isTurning = true;
    try {
      while (this.#wanted !== (this.state === 'serving')) {
        if (this.#wanted) await this.#enter();
        else await this.#leave();
      }
    } finally {
      this.#isTurning = false;
    }
  }

  async #enter(): Promise<void> {
    const { engine, mesh, collectBaseline } = this.#options;
    const collector = await collectBaseline(engine, mesh);
    if (!this.#wanted) return collector.close();
    this.#collector = collector;
    mesh.addEngine(collector.engine);
    this.#set('serving');
  }

  async #leave(): Promise<void> {
    const { engine, mesh } = this.#options;
    const leaving = mesh.removeEngine(this.#collector?.engine ?? engine, this.#graceMs);
    this.#set('leaving');
    this.#collector?.close();
    mesh.setBaseline(engine.model.id, null);
    // A page that freezes or goes has no later moment.
    if (this.#graceMs === 0) mesh.announceNow();
    await leaving;
    this.#set('held');
  }

  #set(state: Lender['state']): void {
    this.state = state;
    this.#options.onChange();
  }
}
