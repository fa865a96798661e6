/**
 * The mesh as the page shows it: a copy of what the `Mesh` reports, renewed on every change. The page stands before the
 * mesh does, so this begins as 'joining' and takes the mesh when it is there.
 */
import {
  type ClassId,
  type Clock,
  type Measured,
  type Mesh,
  type MeshConnection,
  MeshError,
  type MeshModel,
  type MeshPeer,
  type ModelId,
  type PeerId,
  pause,
} from '@tabmesh/shared';
import { JOIN_PATIENCE_MS } from '../limits.ts';

export class MeshState {
  connection = $state.raw<MeshConnection>({ state: 'joining' });
  /** Without entries, which answer nothing themselves. */
  peers = $state.raw<readonly MeshPeer[]>([]);
  models = $state.raw<readonly MeshModel[]>([]);
  defaultModel = $state.raw<ModelId | undefined>();
  serving = $state.raw<ReturnType<Mesh['serving']>>({
    activeJobs: 0,
    finishedJobs: 0,
    tokens: 0,
  });
  /** This tab's own id, once it has one. */
  peerId = $state.raw<PeerId | undefined>();

  readonly canAnswer = $derived(this.models.length > 0 || this.connection.state === 'joining');

  readonly #starting: Promise<Mesh>;
  readonly #clock: Clock;
  #mesh: Mesh | undefined;
  #unsubscribe = () => {};

  constructor(starting: Promise<Mesh>, clock: Clock) {
    this.#starting = starting;
    this.#clock = clock;
    starting.then(
      (mesh) => {
        this.#unsubscribe = mesh.onChange(() => this.#read(mesh));
        this.#read(mesh);
      },
      (error: unknown) => {
        const code = MeshError.is(error) ? error.code : 'unsupported';
        const message = error instanceof Error ? error.message : String(error);
        this.connection = { state: 'refused', code, message };
      },
    );
  }

  /** The mesh, as soon as there is no point in waiting any longer: a model is there, or joining is over. */
  async answerable(signal: AbortSignal): Promise<Mesh> {
    const mesh = await this.#starting;
    const settled = () => mesh.models().length > 0 || mesh.connection().state !== 'joining';
    if (settled()) return mesh;
    const over = new AbortController();
    const unsubscribe = mesh.onChange(() => {
      if (settled()) over.abort();
    });
    await pause(this.#clock, JOIN_PATIENCE_MS, AbortSignal.any([signal, over.signal]));
    unsubscribe();
    return mesh;
  }

  /** How fast each peer that serves the model is, as far as this tab knows; null: not measured. */
  measurements(model: ModelId): readonly (Measured | null)[] {
    // Renewed with every change of the mesh, thus what is derived from this is too.
    if (this.models.every(({ id }) => id !== model)) return [];
    return this.#mesh?.measurementsOf(model).map(({ measured }) => measured) ?? [];
  }

  /** Which build of the model the peer serves, as far as this tab knows. */
  classOf(peerId: PeerId, model: ModelId): ClassId | undefined {
    const peer = this.peers.find((known) => known.peerId === peerId);
    return peer?.announcement.models.find(({ id }) => id === model)?.classId;
  }

  started(): Promise<Mesh> {
    return this.#starting;
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    const mesh = await this.#starting.catch(() => undefined);
    await mesh?.close();
  }

  #read(mesh: Mesh): void {
    const everybody = mesh.peers();
    this.#mesh = mesh;
    this.peerId = mesh.peerId;
    this.connection = mesh.connection();
    this.peers = everybody.filter((peer) => peer.announcement.kind !== 'entry');
    this.models = mesh.models();
    this.defaultModel = mesh.defaultModel();
    this.serving = mesh.serving();
  }
}
