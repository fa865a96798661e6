/**
 * `npm run test:nodes [-- --node 22 --node 24] [--suite unit …] [files …]`: the unit and native suites under each promised
 * Node. The binaries are npm's own packages of Node, kept in `.cache`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { npmCommand } from '../../shared/setup/npm-command.mjs';

const root = resolve(import.meta.dirname, '../..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string', multiple: true, default: ['20', '22', '24', '26'] },
    suite: { type: 'string', multiple: true, default: ['unit', 'native'] },
  },
});

const results = [];
for (const version of values.node) {
  const node = binaryOf(version);
  const exact = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  for (const suite of values.suite) {
    console.log(`\n== Node ${exact}: ${suite}`);
    const { stdout, status } = spawnSync(node, [join(root, 'tests/run.mjs'), suite, ...positionals], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 2 ** 28,
      env: { ...process.env, CI: '1' },
    });
    const totals = stdout.match(/^\d+ passed, \d+ failed.*$/gm)?.at(-1) ?? `ended with ${status}`;
    if (status !== 0) console.log(stdout);
    results.push({ text: `${exact.padEnd(10)} ${suite.padEnd(8)} ${totals}`, ok: status === 0 });
    console.log(totals);
  }
}
console.log(`\n${results.map(({ text }) => text).join('\n')}`);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;

function binaryOf(version) {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = join(root, '.cache/nodes', version);
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const binary = join(folder, 'node_modules', name, 'bin', file);
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const { command, args, shell } = npmCommand();
  const flags = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`];
  const { status } = spawnSync(command, [...args, ...flags], { cwd: folder, stdio: 'inherit', shell });
  if (status !== 0) throw new Error(`npm could not get ${name}@${version}. Check the network, then try again.`);
  return binary;
}
