/**
 * `npm run test:agents [-- opencode codex]`: coding agents of others, installed from npm when they are asked for, through a
 * whole turn with a tool call: question, call, the tool run by the agent, its result, answer. The model is a script, so what
 * is tried is the API. They are hundreds of megabytes and not ours to pin, so this is no part of `npm test`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createIdentity, silentLogger, systemRandom } from '@tabmesh/shared';
import { startEntry } from '@tabmesh/signaling';
import { startMember, untilMesh } from '../setup/test-mesh.ts';
import { AGENTS, type Agent } from './agents.ts';
import { install, NotInstalled } from './install.ts';
import { runProgram } from './run-program.ts';
import { createWorkingEngine, WORKING_MODEL } from './working-engine.ts';

const USAGE = `npm run test:agents [-- NAME …] [options]

  NAME          ${AGENTS.map(({ name }) => name).join(', ')}; none: all
  --verbose     print what they say and what the model was asked
  --keep DIR    install there, and again only what is missing`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    verbose: { type: 'boolean', default: false },
    keep: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const stranger = positionals.find((name) => !AGENTS.some((agent) => agent.name === name));
if (values.help) console.log(USAGE);
else if (stranger !== undefined) {
  console.error(`There is no '${stranger}' here.\n\n${USAGE}`);
  process.exitCode = 1;
} else {
  process.exitCode = await run(AGENTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name)));
}
// node-datachannel may hold the process.
process.exit();

async function run(agents: readonly Agent[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tabmesh-agents-'));
  let status = 0;
  try {
    for (const agent of agents) {
      try {
        await tryOut(agent, join(folder, agent.name), values.keep ?? join(folder, 'programs'));
        console.log(`  passed   ${agent.name}: question, call, result, answer`);
      } catch (error) {
        const isMissing = error instanceof NotInstalled;
        if (!isMissing) status = 1;
        console.log(
          `  ${isMissing ? 'skipped' : 'FAILED'}  ${agent.name}: ${error instanceof Error ? error.message : error}`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return status;
}

async function tryOut(agent: Agent, folder: string, programs: string): Promise<void> {
  const program = install(agent, join(programs, agent.package.replace('/', '+')));
  const [home, work] = [join(folder, 'home'), join(folder, 'work')];
  for (const path of [home, work]) mkdirSync(path, { recursive: true });
  const secret = `The word is ${systemRandom.bytes(6).join('')}.`;
  writeFileSync(join(work, 'note.txt'), `${secret}\n`);
  const engine = createWorkingEngine('cat note.txt');
  const entry = await startEntry({
    host: '127.0.0.1',
    port: 0,
    identity: createIdentity(systemRandom),
    version: '0.0.0-test',
    logger: silentLogger,
  });
  const member = startMember(entry.url, engine);
  try {
    await untilMesh(entry.mesh, () => entry.mesh.models().length === 1);
    const setup = { url: entry.url, model: WORKING_MODEL, question: 'What does note.txt say?', home, work };
    const { output, status } = await runProgram(program, agent.start(setup), { home, work });
    if (values.verbose) console.log(output, JSON.stringify(engine.asked, null, 2));
    if (status !== 0) throw new Error(`It ended with ${status}. ${output.slice(-2_000)}`);
    if (engine.results === 0) throw new Error(`It ran no tool. ${output.slice(-2_000)}`);
    if (!output.includes(secret))
      throw new Error(`Its answer does not have what its tool read. ${output.slice(-2_000)}`);
  } finally {
    await member.close();
    await entry.close();
  }
}
