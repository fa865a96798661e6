/**
 * Models by name: the embedded ones lie in the repository, downloaded ones in `TABMESH_HOME/models`, and a path stands
 * for itself.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CATALOG, type CatalogModel, catalogModel, MeshError, ModelId, type Tier, tierOf } from '@tabmesh/shared';
import type { Home } from '../home/home.ts';
import { type Downloaded, type DownloadProgress, download } from './download.ts';
import { rememberSha256 } from './file-hash.ts';
import { modelIdOfFile } from './model-file-name.ts';

export interface ModelStoreOptions {
  readonly home: Home;
  /** Where the embedded models lie. */
  readonly embeddedPath: string;
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
  /** A catalog name or a URL. */
  readonly source: string;
  /** Expected hash; wins over the catalog's and the hub's. */
  readonly sha256?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly retryDelayMs?: number | undefined;
}

export class ModelStore {
  readonly #home: Home;
  readonly #embeddedPath: string;

  constructor({ home, embeddedPath }: ModelStoreOptions) {
    this.#home = home;
    this.#embeddedPath = embeddedPath;
  }

  /** @throws MeshError `model_not_found` */
  async find(nameOrPath: string): Promise<FoundModel> {
    const embedded = catalogModel(nameOrPath)?.gguf?.file;
    if (embedded !== undefined) return { id: ModelId.parse(nameOrPath), file: join(this.#embeddedPath, embedded) };
    const id = ModelId.safeParse(nameOrPath);
    if (id.success && (await sizeOf(this.#fileOf(id.data))) !== undefined) {
      return { id: id.data, file: this.#fileOf(id.data) };
    }
    if (looksLikePath(nameOrPath)) {
      const file = resolve(nameOrPath);
      if ((await sizeOf(file)) === undefined) throw notFound(`There is no file ${file}. Check the path.`, nameOrPath);
      return { id: modelIdOfFile(file), file };
    }
    if (catalogModel(nameOrPath) !== undefined) {
      throw notFound(
        `${nameOrPath} is not downloaded yet. Get it first: npx tabmesh models pull ${nameOrPath}`,
        nameOrPath,
      );
    }
    throw notFound(
      `'${nameOrPath}' is neither a file nor a known model. See the names: npx tabmesh models ls`,
      nameOrPath,
    );
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
      throw notFound(`${name} is not in ${this.#home.modelsPath}. See what is: npx tabmesh models ls`, name);
    }
    for (const file of [...files, `${files[1]}.json`]) await rm(file, { force: true });
  }

  /** @throws MeshError `model_not_found`, `invalid_request`, `download_failed`, `checksum_mismatch`, `cancelled` */
  async pull({ source, sha256, ...options }: PullOptions): Promise<FoundModel & Downloaded> {
    const { id, url, knownSha256 } = remoteOf(source);
    const file = this.#fileOf(id);
    const downloaded = await download({ ...options, url, file, sha256: sha256 ?? knownSha256 });
    await rememberSha256(file, downloaded.sha256, this.#home.hashCacheFile);
    return { id, file, ...downloaded };
  }

  #fileOf(id: ModelId): string {
    return join(this.#home.modelsPath, `${encodeURIComponent(id)}.gguf`);
  }

  async #describe(name: string): Promise<ListedModel> {
    const file = join(this.#home.modelsPath, name);
    const id = decodeURIComponent(name.replace(/\.gguf(\.part)?$/, ''));
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

function remoteOf(source: string): { id: ModelId; url: string; knownSha256: string | undefined } {
  if (/^https?:\/\//.test(source)) {
    if (!URL.canParse(source)) throw new MeshError('invalid_request', `'${source}' is not a valid address.`);
    const { pathname } = new URL(source);
    return { id: modelIdOfFile(pathname), url: source, knownSha256: undefined };
  }
  const model = catalogModel(source);
  if (model === undefined) {
    throw notFound(`'${source}' is no known model. Name one of npx tabmesh models ls, or give a URL.`, source);
  }
  const { id, gguf } = model;
  if (gguf?.file !== undefined)
    throw new MeshError('invalid_request', `${id} is part of TabMesh: serve it right away.`);
  if (gguf?.url === undefined) throw notFound(`${id} has no GGUF file to download.`, source);
  return { id, url: gguf.url, knownSha256: gguf.sha256 };
}

function looksLikePath(text: string): boolean {
  return /\.gguf$/i.test(text) || /[\\/]/.test(text) || text.startsWith('.');
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch {
    return undefined;
  }
}

function notFound(message: string, model: string): MeshError {
  return new MeshError('model_not_found', message, { details: { model } });
}
