/**
 * Models by name: the embedded ones lie in the repository, downloaded ones in `TABMESH_HOME/models`, and a path stands
 * for itself.
 */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CATALOG, type CatalogModel, catalogModel, MeshError, ModelId, type Tier, tierOf } from '@tabmesh/shared';
import { ggufPartNames, ggufPartOf } from '@tabmesh/shared/gguf-parts';
import type { Home } from '../home/home.ts';
import type { DownloadProgress } from './download.ts';
import { DownloadRecords } from './download-records.ts';
import { type Repository, repositoryIn } from './hub-repository.ts';
import { modelIdOfFile } from './model-file-name.ts';
import { catalogNamed, didYouMean, lettersOf } from './model-names.ts';
import type { PulledFiles } from './pull-files.ts';
import { isPartName, recordKey } from './record-key.ts';
import { embedded, isOtherRepository, remoteModel } from './remote-model.ts';
import { sizeOf } from './size-of.ts';
import { missingPartsOf, type StoredModel, storedModels } from './stored-models.ts';

export interface ModelStoreOptions {
  readonly home: Home;
  /** Where the embedded models lie. */
  readonly embeddedPath: string;
  /** For the hub's address and token, and the proxy. Default: this process's. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

export interface FoundModel {
  readonly id: ModelId;
  readonly file: string;
}

export interface ListedModel {
  readonly id: string;
  readonly tier: Tier;
  readonly state: 'embedded' | 'downloaded' | 'partial' | 'available';
  /** On disk; of models that are only available, what a download takes. */
  readonly sizeBytes: number;
  /** Of the whole file, as far as it is known. */
  readonly fullSizeBytes: number;
  readonly file: string | null;
}

export interface PullOptions {
  /** A name of the catalog in any spelling, a hub's repository (`owner/name:Q4_K_M`), or a URL. */
  readonly source: string;
  /** To serve it under, instead of the one that is made from the file's name. */
  readonly name?: ModelId | undefined;
  /** Expected hash, of a model in parts those of all with commas between; wins over the catalog's and the hub's. */
  readonly sha256?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retryDelayMs?: number | undefined;
}

/** Its `file` is the first of its `files`. */
export interface PulledModel extends FoundModel, PulledFiles {}

export class ModelStore {
  readonly #home: Home;
  readonly #embeddedPath: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #records: DownloadRecords;

  constructor({ home, embeddedPath, environment = process.env }: ModelStoreOptions) {
    this.#home = home;
    this.#embeddedPath = embeddedPath;
    this.#environment = environment;
    this.#records = new DownloadRecords(home.downloadsFile);
  }

  /**
   * By the name it is stored under, by path, or by any spelling of a name that is known here.
   * @throws MeshError `model_not_found`
   */
  async find(nameOrPath: string): Promise<FoundModel> {
    const embedded = catalogModel(nameOrPath)?.gguf?.file;
    if (embedded !== undefined) return { id: ModelId.parse(nameOrPath), file: join(this.#embeddedPath, embedded) };
    const exact = await this.#stored(nameOrPath);
    if (exact !== undefined) return exact;
    const repository = repositoryIn(nameOrPath);
    if (looksLikePath(nameOrPath)) {
      const named = resolve(nameOrPath);
      const isFile = (await sizeOf(named)) !== undefined;
      if (isFile) return { id: modelIdOfFile(named), file: ggufPartNames(named)[0] ?? named };
      const file = named;
      if (repository === undefined) throw notFound(`There is no file ${file}. Check the path.`, nameOrPath);
    }
    const spelled = catalogNamed(nameOrPath);
    if (spelled !== undefined && spelled.id !== nameOrPath && repository === undefined) return this.find(spelled.id);
    const kept = await this.#keptAs(nameOrPath, repository);
    if (kept !== undefined) return kept;
    const isSpelled = spelled !== undefined && !isOtherRepository(repository, spelled);
    const pulled = isSpelled ? await this.#stored(spelled.id) : undefined;
    if (pulled !== undefined) return pulled;
    await this.#refuseIncomplete(nameOrPath);
    throw notFound(await this.#adviceFor(nameOrPath, spelled?.id, repository), nameOrPath);
  }

  async list(): Promise<readonly ListedModel[]> {
    const stored = (await storedModels(this.#home.modelsPath)).map(describe);
    const storedIds = new Set(stored.map((model) => model.id));
    const known = await Promise.all(
      CATALOG.flatMap((model) => (storedIds.has(model.id) ? [] : this.#describeKnown(model))),
    );
    return [...known, ...stored].sort((a, b) => RANK[a.state] - RANK[b.state] || (a.id < b.id ? -1 : 1));
  }

  /** @throws MeshError `model_not_found`, `invalid_request` */
  async remove(name: string): Promise<void> {
    if (catalogModel(name)?.gguf?.file !== undefined) {
      throw new MeshError('invalid_request', `${name} is part of TabMesh and can't be removed.`);
    }
    const models = (await storedModels(this.#home.modelsPath)).filter(({ id }) => id === name);
    if (models.length === 0) {
      const close = didYouMean(name, await this.#storedNames());
      throw notFound(`${name} is not in ${this.#home.modelsPath}.${close} See what is: npx tabmesh models ls`, name);
    }
    for (const file of models.flatMap(({ files }) => files)) {
      for (const path of [file, `${file}.part`, `${file}.part.json`]) await rm(path, { force: true });
      await this.#records.drop(recordKey(file));
    }
  }

  /**
   * Downloads nothing when the same file is here, and never over another one.
   * @throws MeshError `model_not_found`, `invalid_request`, `model_invalid`, `download_failed`, `checksum_mismatch`,
   * `cancelled`
   */
  async pull({ source, sha256, name, ...options }: PullOptions): Promise<PulledModel> {
    // What speaks to the hub takes five megabytes of memory, and most commands download nothing.
    const { Hub } = await import('./hub.ts');
    const { pullFiles } = await import('./pull-files.ts');
    const hub = new Hub(this.#environment);
    const remote = await remoteModel(source, hub, options.signal);
    const id = name ?? remote.id;
    if (catalogModel(id)?.gguf?.file !== undefined) throw embedded(id, source);
    if (isPartName(id))
      throw new MeshError('invalid_request', `${id} is how a part is called. Give a name without numbers of parts.`);
    const count = remote.files.length;
    const hashes = sha256?.split(',') ?? [];
    if (hashes.length > 0 && hashes.length !== count) {
      const want = count === 1 ? 'one SHA-256' : `${count} SHA-256, one for each part in order, with commas between`;
      throw new MeshError('invalid_request', `${id} has ${count === 1 ? 'one file' : `${count} parts`}: give ${want}.`);
    }
    const home = this.#home;
    const pulled = await pullFiles({
      ...options,
      id,
      remote,
      sha256: hashes,
      hub,
      home,
      records: this.#records,
    });
    return { ...pulled, id, file: pulled.files[0] ?? '' };
  }

  async #stored(name: string): Promise<FoundModel | undefined> {
    const id = ModelId.safeParse(name);
    if (!id.success) return undefined;
    const models = await storedModels(this.#home.modelsPath);
    const [file] = models.find((model) => model.id === name && model.missing.length === 0)?.files ?? [];
    return file === undefined ? undefined : { id: id.data, file };
  }

  /** A model in parts of which some never came: which ones, and how to get them. */
  async #refuseIncomplete(name: string): Promise<void> {
    for (const model of await storedModels(this.#home.modelsPath)) {
      const missing = lettersOf(model.id) === lettersOf(name) ? missingPartsOf(model) : undefined;
      if (missing === undefined) continue;
      const records = await this.#records.all();
      const { url, repository } = model.files.map((file) => records.get(recordKey(file))).find(Boolean) ?? {};
      const again = url ?? repository ?? 'the address of its first part';
      throw notFound(`${missing} Pull it again, and only those are fetched: npx tabmesh models pull ${again}`, name);
    }
  }

  /** Under another spelling, or as what was pulled from a repository. */
  async #keptAs(text: string, repository: Repository | undefined): Promise<FoundModel | undefined> {
    const names = await this.#storedNames();
    const spelled = names.find((name) => lettersOf(name) === lettersOf(text));
    if (spelled !== undefined) return this.#stored(spelled);
    if (repository === undefined) return undefined;
    const { name, quantization } = repository;
    for (const [key, record] of await this.#records.all()) {
      const model = ggufPartOf(`${key}.gguf`)?.stem ?? key;
      const isOfIt = record.repository?.toLowerCase() === name.toLowerCase();
      const isWanted = quantization === undefined || lettersOf(record.url).includes(lettersOf(quantization));
      if (isOfIt && isWanted && names.includes(model)) return this.#stored(model);
    }
    return undefined;
  }

  /** Whole models only. */
  async #storedNames(): Promise<string[]> {
    const models = await storedModels(this.#home.modelsPath);
    return models.filter(({ missing }) => missing.length === 0).map(({ id }) => id);
  }

  async #adviceFor(text: string, catalogId: ModelId | undefined, repository: Repository | undefined): Promise<string> {
    if (catalogId !== undefined || repository !== undefined) {
      const name = repository === undefined ? catalogId : text;
      return `${name} is not downloaded yet. Get it first: npx tabmesh models pull ${name}`;
    }
    const names = [...CATALOG.map(({ id }) => id), ...(await this.#storedNames())];
    return `'${text}' is neither a file nor a known model.${didYouMean(text, names)} See the names: npx tabmesh models ls`;
  }

  #describeKnown({ id, tier, gguf }: CatalogModel): ListedModel[] {
    if (gguf === undefined) return [];
    const { file, sizeBytes } = gguf;
    const known = { id, tier, sizeBytes, fullSizeBytes: sizeBytes };
    if (file !== undefined) return [{ ...known, state: 'embedded', file: join(this.#embeddedPath, file) }];
    return [{ ...known, state: 'available', file: null }];
  }
}

const RANK: Record<ListedModel['state'], number> = { embedded: 0, downloaded: 1, partial: 2, available: 3 };

function describe({ id, files, missing, sizeBytes }: StoredModel): ListedModel {
  const isWhole = missing.length === 0;
  const knownBytes = isWhole ? 0 : (catalogModel(id)?.gguf?.sizeBytes ?? 0);
  return {
    id,
    tier: tierOf(id),
    state: isWhole ? 'downloaded' : 'partial',
    sizeBytes,
    fullSizeBytes: Math.max(sizeBytes, knownBytes),
    file: files[0] ?? null,
  };
}

function looksLikePath(text: string): boolean {
  return /\.gguf$/i.test(text) || /[\\/]/.test(text) || text.startsWith('.');
}

function notFound(message: string, model: string): MeshError {
  return new MeshError('model_not_found', message, { details: { model } });
}
