/**
 * `npm start`: installs what is missing, then compiles and runs `tabmesh up` in this very process, so that signals and the exit code
 * need no forwarding. Only built-ins, and nothing that an old Node could not parse before its version is checked.
 */
import { wrongNode } from './node-version.mjs';

// Whoever reads only the first lines has read enough; from `tabmesh up` on that is looked after there.
const onUnread = (error) => process.exit(error.code === 'EPIPE' ? 0 : 1);
for (const stream of [process.stdout, process.stderr]) stream.on('error', onUnread);

const wrong = wrongNode(process.versions.node);
if (wrong !== undefined) {
  console.error(wrong);
  process.exit(1);
}

const root = new URL('../../', import.meta.url);
try {
  const { fileURLToPath } = await import('node:url');
  const { ensurePackages } = await import('./ensure-packages.mjs');
  await ensurePackages(fileURLToPath(root));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(error?.exitCode ?? 1);
}

for (const stream of [process.stdout, process.stderr]) stream.off('error', onUnread);
process.argv.splice(1, 1, 'tabmesh', 'up');
await import(new URL('native-peer/bin/tabmesh.js', root).href);
