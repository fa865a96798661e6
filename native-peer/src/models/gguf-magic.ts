/** What the first bytes of a download say: a page about a model is the usual mistake. */
import { MeshError } from '@tabmesh/shared';
import { FILE_KIND_BYTES, fileKind } from '@tabmesh/shared/file-kind';

const MAGIC = 'GGUF';

/** How many first bytes `refuseUnlessGguf` looks at, if the file has them. */
export const INSPECTED_BYTES = FILE_KIND_BYTES;

/** @throws MeshError `model_invalid` for what is no GGUF file, or one that nothing here can read */
export function refuseUnlessGguf(first: Uint8Array, url: string): void {
  const text = Buffer.from(first).toString('latin1');
  const kind = fileKind(first);
  if (text.startsWith(MAGIC)) {
    if (kind !== undefined) throw MeshError.modelInvalid(`${url} is ${kind.what}. ${kind.advice}`);
    return;
  }
  const known = first.length === 0 ? undefined : kind?.what;
  const what = /^\s*</.test(text) ? 'a web page' : (known ?? 'something else');
  throw MeshError.modelInvalid(`${url} is no GGUF file but ${what}. ${adviceFor(url)}`);
}

/** Hubs show a file at `/blob/` and give it at `/resolve/`. */
function adviceFor(url: string): string {
  const { origin, pathname, search } = new URL(url);
  const file = pathname.replace(/^(\/[^/]+\/[^/]+)\/(?:blob|raw)\//, '$1/resolve/');
  if (file !== pathname) return `Its file is at ${origin}${file}${search}`;
  const [, owner, name] = pathname.split('/');
  const isRepository = owner !== undefined && name !== undefined && /^\/[^/]+\/[^/]+(\/tree\/.*)?\/?$/.test(pathname);
  return isRepository
    ? `Pull the repository by its name: npx tabmesh models pull ${owner}/${name}`
    : 'Take the address of the file itself, which ends with .gguf.';
}
