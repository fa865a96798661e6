/** The name under which the mesh serves a server's model. */
import { CATALOG, ModelId } from '@tabmesh/shared';
import { lettersOf } from '../models/model-names.ts';

/**
 * The catalog's name where the server's is a spelling of it (`Qwen/Qwen3-8B`, `qwen3:8b`, `/models/Qwen3-8B.gguf`), so that
 * peers with different engines serve one model; else the last part of the server's own. Their classes keep them apart.
 */
export function servedName(name: string): ModelId {
  const last =
    name
      .split('/')
      .filter((part) => part !== '')
      .at(-1) ?? '';
  const own = last
    .replace(/\.gguf$/i, '')
    .replace(/:latest$/, '')
    .replace(/[^A-Za-z0-9._:-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 128);
  const known = CATALOG.find(({ id }) => lettersOf(id) === lettersOf(own));
  if (known !== undefined) return known.id;
  const id = ModelId.safeParse(own);
  return id.success ? id.data : ModelId.parse('model');
}

/** The server's own name of a model that is asked for by it or by the mesh's name; undefined when it has none. */
export function nameAtServer(names: readonly string[], asked: string): string | undefined {
  const exact = names.find((name) => name === asked || name === `${asked}:latest`);
  return exact ?? names.find((name) => servedName(name) === servedName(asked));
}
