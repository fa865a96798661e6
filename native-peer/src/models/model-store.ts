/**
 * Models by name: the embedded ones lie in the repository, downloaded ones in `TABMESH_HOME/models`, and a path stands
 * for itself.
 */
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CATALOG, type CatalogModel, catalogModel, MeshError, ModelId, type Tier, tierOf } from '@tabmesh/shared';
import type { Home } from '../home/home.ts';
import type { Downloaded, DownloadProgress } from './download.ts';
import { DownloadRecords } from './download-records.ts';
import { rememberSha256 } from './file-hash.ts';
import { refuseUnlessGguf } from './gguf-magic.ts';
import { type Repository, repositoryIn } from './hub-repository.ts';
import { modelIdOfFile } from './model-file-name.ts';
import { catalogNamed, didYouMean, lettersOf } from './model-names.ts';
import { embedded, isOtherRepository, remoteModel } from './remote-model.ts';
import { sameFile } from './same-file.ts';
import { sizeOf } from './size-of.ts';

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
  /** Expected hash; wins over the catalog's and the hub's. */
  readonly sha256?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retryDelayMs?: number | undefined;
}

export interface PulledModel extends FoundModel, Downloaded {
  /** False: it was here already, and nothing was downloaded. */
  readonly isNew: boolean;
}

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
      const file = resolve(nameOrPath);
      const isFile = (await sizeOf(file)) !== undefined;
      if (isFile) return { id: modelIdOfFile(file), file };
      if (repository === undefined) throw notFound(`There is no file ${file}. Check the path.`, nameOrPath);
    }
    const spelled = catalogNamed(nameOrPath);
    if (spelled !== undefined && spelled.id !== nameOrPath && repository === undefined) return this.find(spelled.id);
    const kept = await this.#keptAs(nameOrPath, repository);
    if (kept !== undefined) return kept;
    const isSpelled = spelled !== undefined && !isOtherRepository(repository, spelled);
    const pulled = isSpelled ? await this.#stored(spelled.id) : undefined;
    if (pulled !== undefined) return pulled;
    throw notFound(await this.#adviceFor(nameOrPath, spelled?.id, repository), nameOrPath);
  }

  async list(): Promise<readonly ListedModel[]> {
    const names = await readdir(this.#home.modelsPath);
    const stored = await Promise.all(
      names.flatMap((name) => (/\.gguf(\.part)?$/.test(name) ? [this.#describe(name)] : [])),
    );
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
    const id = ModelId.safeParse(name);
    const files = id.success ? [this.#fileOf(id.data), `${this.#fileOf(id.data)}.part`] : [];
    const sizes = await Promise.all(files.map(sizeOf));
    if (sizes.every((size) => size === undefined)) {
      const close = didYouMean(name, await this.#storedNames());
      throw notFound(`${name} is not in ${this.#home.modelsPath}.${close} See what is: npx tabmesh models ls`, name);
    }
    for (const file of [...files, `${files[1]}.json`]) await rm(file, { force: true });
    await this.#records.drop(name);
  }

  /**
   * Downloads nothing when the same file is here, and never over another one.
   * @throws MeshError `model_not_found`, `invalid_request`, `model_invalid`, `download_failed`, `checksum_mismatch`,
   * `cancelled`
   */
  async pull({ source, sha256, name, ...options }: PullOptions): Promise<PulledModel> {
    // What speaks to the hub takes five megabytes of memory, and most commands download nothing.
    const { Hub } = await import('./hub.ts');
    const { download } = await import('./download.ts');
    const hub = new Hub(this.#environment);
    const remote = await remoteModel(source, hub, options.signal);
    const id = name ?? remote.id;
    if (catalogModel(id)?.gguf?.file !== undefined) throw embedded(id, source);
    const { url, repository } = remote;
    const file = this.#fileOf(id);
    const expected = sha256 ?? remote.sha256;
    const hashCacheFile = this.#home.hashCacheFile;
    const record = await this.#records.get(id);
    const known = await sameFile({ ...options, id, file, url, expected, record, hub, hashCacheFile });
    const downloaded =
      known ??
      (await download({
        ...options,
        url,
        file,
        sha256: expected,
        hub,
        inspect: (first) => refuseUnlessGguf(first, url),
      }));
    await rememberSha256(file, downloaded.sha256, hashCacheFile);
    const { sizeBytes } = downloaded;
    await this.#records.keep(id, { url, sha256: downloaded.sha256, sizeBytes, ...(repository && { repository }) });
    return { id, file, ...downloaded, isNew: known === undefined };
  }

  async #stored(name: string): Promise<FoundModel | undefined> {
    const id = ModelId.safeParse(name);
    if (!id.success || (await sizeOf(this.#fileOf(id.data))) === undefined) return undefined;
    return { id: id.data, file: this.#fileOf(id.data) };
  }

  /** Under another spelling, or as what was pulled from a repository. */
  async #keptAs(text: string, repository: Repository | undefined): Promise<FoundModel | undefined> {
    const names = await this.#storedNames();
    const spelled = names.find((name) => lettersOf(name) === lettersOf(text));
    if (spelled !== undefined) return this.#stored(spelled);
    if (repository === undefined) return undefined;
    const { name, quantization } = repository;
    for (const [id, record] of await this.#records.all()) {
      const isOfIt = record.repository?.toLowerCase() === name.toLowerCase();
      const isWanted = quantization === undefined || lettersOf(record.url).includes(lettersOf(quantization));
      if (isOfIt && isWanted && names.includes(id)) return this.#stored(id);
    }
    return undefined;
  }

  /** Whole files only. */
  async #storedNames(): Promise<string[]> {
    const names = await readdir(this.#home.modelsPath);
    return names.filter((name) => name.endsWith('.gguf')).map((name) => nameIn(name));
  }

  async #adviceFor(text: string, catalogId: ModelId | undefined, repository: Repository | undefined): Promise<string> {
    if (catalogId !== undefined || repository !== undefined) {
      const name = repository === undefined ? catalogId : text;
      return `${name} is not downloaded yet. Get it first: npx tabmesh models pull ${name}`;
    }
    const names = [...CATALOG.map(({ id }) => id), ...(await this.#storedNames())];
    return `'${text}' is neither a file nor a known model.${didYouMean(text, names)} See the names: npx tabmesh models ls`;
  }

  #fileOf(id: ModelId): string {
    return join(this.#home.modelsPath, `${encodeURIComponent(id)}.gguf`);
  }

  async #describe(name: string): Promise<ListedModel> {
    const file = join(this.#home.modelsPath, name);
    const id = nameIn(name);
    const state = name.endsWith('.part') ? 'partial' : 'downloaded';
    const sizeBytes = (await sizeOf(file)) ?? 0;
    const knownBytes = state === 'partial' ? (catalogModel(id)?.gguf?.sizeBytes ?? 0) : 0;
    return { id, tier: tierOf(id), state, sizeBytes, fullSizeBytes: Math.max(sizeBytes, knownBytes), file };
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

/** Of a file in the folder of models. */
function nameIn(fileName: string): string {
  return decodeURIComponent(fileName.replace(/\.gguf(\.part)?$/, ''));
}

function looksLikePath(text: string): boolean {
  return /\.gguf$/i.test(text) || /[\\/]/.test(text) || text.startsWith('.');
}

function notFound(message: string, model: string): MeshError {
  return new MeshError('model_not_found', message, { details: { model } });
}
