/** Where a model is to be had: by a name of the catalog in any spelling, by a repository of the hub, or by an address. */
import { CATALOG, type CatalogModel, MeshError, type ModelId } from '@tabmesh/shared';
import { ggufPartUrls } from '@tabmesh/shared/gguf-parts';
import type { Hub } from './hub.ts';
import { type Repository, repositoryIn } from './hub-repository.ts';
import { modelIdOfFile } from './model-file-name.ts';
import { catalogNamed, didYouMean, lettersOf } from './model-names.ts';

export interface RemoteModel {
  /** The name that it gets unless it is given another. */
  readonly id: ModelId;
  /** One, or all parts of a split model in order. */
  readonly files: readonly RemoteFile[];
  /** `owner/name`, when it was asked for by that. */
  readonly repository?: string | undefined;
}

export interface RemoteFile {
  readonly url: string;
  readonly sha256?: string | undefined;
}

/** @throws MeshError `model_not_found`, `invalid_request`, `download_failed`, `cancelled` */
export async function remoteModel(source: string, hub: Hub, signal: AbortSignal): Promise<RemoteModel> {
  if (/^https?:\/\//.test(source)) {
    if (!URL.canParse(source)) throw new MeshError('invalid_request', `'${source}' is not a valid address.`);
    return { id: modelIdOfFile(new URL(source).pathname), files: ggufPartUrls(source).map((url) => ({ url })) };
  }
  const model = catalogNamed(source);
  const repository = repositoryIn(source);
  if (model !== undefined && !isOtherRepository(repository, model)) {
    const { id, gguf } = model;
    if (gguf?.file !== undefined) throw embedded(id, source);
    if (gguf?.url === undefined) throw notFound(`${id} has no GGUF file to download.`, source);
    return { id, files: [{ url: hub.addressOf(gguf.url), sha256: gguf.sha256 }], repository: repository?.name };
  }
  if (repository === undefined) {
    const close = didYouMean(source, namesInCatalog());
    const ways = 'Name one of npx tabmesh models ls, a repository of the hub (owner/name), or give a URL.';
    throw notFound(`'${source}' is no known model.${close} ${ways}`, source);
  }
  const files = await hub.filesOf(repository, signal);
  return { id: modelIdOfFile(files[0]?.fileName ?? repository.name), files, repository: repository.name };
}

/**
 * Whether a repository means other files than the catalog's model of that name: those of another maker, or of another
 * quantisation. `Qwen/Qwen3-8B` has no GGUF files at all and means the model.
 */
export function isOtherRepository(repository: Repository | undefined, { gguf }: CatalogModel): boolean {
  if (repository === undefined) return false;
  const { name, quantization } = repository;
  const url = gguf?.url ?? '';
  if (quantization !== undefined && !lettersOf(url).includes(lettersOf(quantization))) return true;
  return /gguf$/i.test(name) && !url.toLowerCase().includes(`/${name.toLowerCase()}/`);
}

export function embedded(id: ModelId, source: string): MeshError {
  const other = source === id ? '' : ` Give the file of ${source} another name with --name.`;
  return new MeshError('invalid_request', `${id} is part of TabMesh: serve it right away.${other}`);
}

function namesInCatalog(): string[] {
  return CATALOG.map(({ id }) => id);
}

function notFound(message: string, model: string): MeshError {
  return new MeshError('model_not_found', message, { details: { model } });
}
