/** The compiled form of a program: in a clone it is compiled first when a source has changed since. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const builder = new URL('shared/setup/build-node.mjs', root);

/** Its address. Ends the process with a sentence where it can't be had. */
export async function compiled(name) {
  const file = new URL(`../dist/${name}`, import.meta.url);
  try {
    if (existsSync(builder)) {
      const { ensureNodeBuilt } = await import(builder.href);
      await ensureNodeBuilt(fileURLToPath(root));
    }
    if (!existsSync(file)) throw new Error('This package was packed before it was compiled: npm run pack does both.');
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  return file.href;
}
