/** `npm run build`: what `npm start` builds, without starting it. */
import { fileURLToPath } from 'node:url';
import { ensureNodeBuilt } from './build-node.mjs';
import { ensureWebBuilt } from './build-web.mjs';
import { ensurePackages } from './ensure-packages.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
try {
  await ensurePackages(root);
  await ensureWebBuilt(root);
  await ensureNodeBuilt(root);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error?.exitCode ?? 1;
}
