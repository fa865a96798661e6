/** What the first four bytes of a download say: a page about a model is the usual mistake. */
import { MeshError } from '@tabmesh/shared';

const MAGIC = 'GGUF';

/** @throws MeshError `model_invalid` for what is no GGUF file */
export function refuseUnlessGguf(first: Uint8Array, url: string): void {
  const text = Buffer.from(first).toString('latin1');
  if (text.startsWith(MAGIC)) return;
  const page = /^\s*</.test(text) ? 'a web page' : 'something else';
  throw MeshError.modelInvalid(`${url} is no GGUF file but ${page}. ${adviceFor(url)}`);
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
