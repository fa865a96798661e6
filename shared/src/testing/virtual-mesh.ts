/** Whole members on a virtual network, for stories with more than one peer. */
import { createIdentity } from '../identity/identity.ts';
import { createMesh } from '../mesh/mesh.ts';
import type { AnswerEvent, CompletionRequest, Mesh, MeshOptions } from '../mesh/mesh-interface.ts';
import { silentLogger } from '../ports/logger.ts';
import type { PeerKind } from '../protocol/announcement.ts';
import type { ModelId } from '../protocol/ids.ts';
import { ManualClock } from './manual-clock.ts';
import { createSeededRandom } from './seeded-random.ts';
import { VirtualNetwork, type VirtualShape } from './virtual-network.ts';

/** A peer that nobody measured is tried now and then only. */
const MOST_INTRODUCTIONS = 100;

export class VirtualMesh {
  readonly clock = new ManualClock();
  readonly network: VirtualNetwork;
  readonly #random;
  readonly #members: Mesh[] = [];

  constructor(seed = 1, shape?: VirtualShape) {
    this.network = new VirtualNetwork(this.clock, shape);
    this.#random = createSeededRandom(seed);
  }

  member(
    name: string,
    kind: PeerKind = 'tab',
    options: Partial<Pick<MeshOptions, 'raceShare' | 'logger'>> & {
      /** Those that it joins, by index; absent: all. */
      readonly entries?: readonly number[] | undefined;
    } = {},
  ): Mesh {
    const { entries, ...others } = options;
    const mesh = createMesh({
      identity: createIdentity(this.#random),
      kind,
      version: '0.0.0-test',
      ...this.network.join(name, entries),
      clock: this.clock,
      random: this.#random,
      logger: silentLogger,
      ...others,
    });
    this.#members.push(mesh);
    return mesh;
  }

  /** Collects an answer while time runs; an error ends it and is part of the result. */
  ask(mesh: Mesh, request: CompletionRequest, signal = new AbortController().signal): VirtualAnswer {
    const answer: VirtualAnswer = {
      events: [],
      text: '',
      state: 'running',
      error: undefined,
    };
    void (async () => {
      try {
        for await (const event of mesh.complete(request, signal)) {
          answer.events.push(event);
          if (event.type === 'tokens') answer.text += event.text;
        }
        answer.state = 'done';
      } catch (error) {
        answer.error = error;
        answer.state = 'failed';
      }
    })();
    return answer;
  }

  /** Asks until this end has measured every peer of the model, whichever it happened to try first. */
  async acquaint(mesh: Mesh, request: CompletionRequest & { readonly model: ModelId }, pauseMs = 5_000): Promise<void> {
    const isUnknown = () => mesh.measurementsOf(request.model).some(({ measured }) => measured === null);
    for (let asked = 0; asked < MOST_INTRODUCTIONS && isUnknown(); asked += 1) {
      this.ask(mesh, request);
      await this.clock.advance(pauseMs);
    }
    if (isUnknown()) throw new Error('A peer of the model was never tried.');
  }

  async close(): Promise<void> {
    const closed = Promise.all(this.#members.map((mesh) => mesh.close()));
    await this.clock.advance(10_000);
    await closed;
  }
}

export interface VirtualAnswer {
  readonly events: AnswerEvent[];
  text: string;
  state: 'running' | 'done' | 'failed';
  error: unknown;
}
