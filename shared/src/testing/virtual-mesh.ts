/** Whole members on a virtual network, for stories with more than one peer. */
import { createIdentity } from '../identity/identity.ts';
import { createMesh } from '../mesh/mesh.ts';
import type { AnswerEvent, CompletionRequest, Mesh, MeshOptions } from '../mesh/mesh-interface.ts';
import { type Logger, silentLogger } from '../ports/logger.ts';
import type { PeerKind } from '../protocol/announcement.ts';
import { ManualClock } from './manual-clock.ts';
import { createSeededRandom } from './seeded-random.ts';
import { VirtualNetwork } from './virtual-network.ts';

export class VirtualMesh {
  readonly clock = new ManualClock();
  readonly network = new VirtualNetwork(this.clock);
  readonly #random;
  readonly #members: Mesh[] = [];

  constructor(seed = 1) {
    this.#random = createSeededRandom(seed);
  }

  member(
    name: string,
    kind: PeerKind = 'tab',
    logger: Logger = silentLogger,
    options: Pick<MeshOptions, 'raceShare'> = {},
  ): Mesh {
    const mesh = createMesh({
      identity: createIdentity(this.#random),
      kind,
      version: '0.0.0-test',
      ...this.network.join(name),
      clock: this.clock,
      random: this.#random,
      logger,
      ...options,
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
