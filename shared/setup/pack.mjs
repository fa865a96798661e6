/**
 * `npm run pack [-- --pack-destination FOLDER]`: the `tabmesh` package as it is installed elsewhere, with the compiled command,
 * the web app and the embedded models inside. Packed from a folder of its own, because npm packs nothing from beside a workspace.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureNodeBuilt } from './build-node.mjs';
import { ensureWebBuilt } from './build-web.mjs';
import { ensurePackages } from './ensure-packages.mjs';
import { runNpm } from './run-npm.mjs';

/** The note of freshness, and what only the benchmarks load. */
const LEFT_OUT = /^(\.tabmesh-stamp|member\.js(\.map)?)$/;

const root = fileURLToPath(new URL('../../', import.meta.url));
try {
  await ensurePackages(root);
  await ensureWebBuilt(root);
  await ensureNodeBuilt(root);
  process.exitCode = await pack();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error?.exitCode ?? 1;
}

async function pack() {
  const folder = mkdtempSync(join(tmpdir(), 'tabmesh-pack-'));
  try {
    const workspace = join(root, 'native-peer');
    for (const name of ['bin', 'dist', 'README.md', 'LICENSE']) copy(join(workspace, name), join(folder, name));
    copy(join(root, 'client/dist'), join(folder, 'web'));
    for (const name of ['mesh-tiny.gguf', 'mesh-mini.gguf'])
      copy(join(root, 'shared/models', name), join(folder, 'models', name));
    writeFileSync(join(folder, 'package.json'), JSON.stringify(descriptionOf(workspace), null, 2));
    // Of the whole list of files only the last line, the tarball's name, is of use.
    return await runNpm(['pack', folder, '--ignore-scripts', '--loglevel=error', ...process.argv.slice(2)], {
      cwd: process.cwd(),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function copy(from, to) {
  cpSync(from, to, { recursive: true, filter: (path) => !LEFT_OUT.test(basename(path)) });
}

/** What the command is compiled from is no dependency of what it is compiled to. */
function descriptionOf(workspace) {
  const { name, version, license, type, bin, engines, dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(workspace, 'package.json'), 'utf8'),
  );
  return {
    name,
    version,
    description: 'Chat with open models that run on many devices, and lend this one.',
    license,
    type,
    bin,
    exports: { '.': './dist/index.js', './package.json': './package.json' },
    engines,
    dependencies,
    optionalDependencies,
  };
}
