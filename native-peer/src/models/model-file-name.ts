/** The name under which a file's model is served, made from the file's name. */
import { basename } from 'node:path';
import { CATALOG, ModelId } from '@tabmesh/shared';

/**
 * The catalog's name for a file that carries the name of the catalog's download, so that peers who got it by hand and
 * peers who pulled it serve one model; else the file's own name: `Qwen3-8B-Q5_K_M.gguf` → `Qwen3-8B-Q5_K_M`. Characters
 * that no model id may have become dashes.
 */
export function modelIdOfFile(file: string): ModelId {
  const fileName = basename(file);
  const known = CATALOG.find(({ gguf }) => gguf?.url?.endsWith(`/${fileName}`));
  if (known !== undefined) return known.id;
  const name = fileName
    .replace(/\.gguf$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '')
    .replace(/[^A-Za-z0-9._:-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  const id = ModelId.safeParse(name.slice(0, 128));
  return id.success ? id.data : ModelId.parse('model');
}
