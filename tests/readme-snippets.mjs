/** Type-checks the TypeScript snippets of the READMEs, so that what they teach compiles. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
// Inside the workspace, so that packages resolve as they do for its other files.
const folder = join(import.meta.dirname, '.snippets');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
try {
  const snippets = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)];
  for (const [index, [, code]] of snippets.entries())
    writeFileSync(join(folder, `snippet-${index + 1}.ts`), code ?? '');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../tsconfig.json', compilerOptions: { moduleDetection: 'force' }, include: ['*.ts'] }),
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', folder], { stdio: 'inherit' });
  if (snippets.length === 0) console.error('README.md has no TypeScript snippet to check.');
  process.exitCode = snippets.length === 0 ? 1 : (status ?? 1);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
