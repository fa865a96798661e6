/** The `tabmesh` command. Each subcommand lives in a file of its own and loads what is heavy when it runs. */
import completeIn from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { VERSION } from '../home/version.ts';
import { doctorCommand } from './commands/doctor.ts';
import { entryCommand } from './commands/entry.ts';
import { modelsCommand } from './commands/models.ts';
import { serveCommand } from './commands/serve.ts';
import { upCommand } from './commands/up.ts';
import { LOG_LEVELS, levelNamed } from './log-levels.ts';
import { dropDisabledFlags } from './options.ts';
import { endWithReader } from './reader-gone.ts';
import { showSourceLines } from './source-lines.ts';
import { holdYoungHeap } from './young-heap.ts';

const ENVIRONMENT_HELP = `
Every flag can be given as the environment variable named beside it. Besides:
  TABMESH_HOME           where keys, models and hashes are kept (default: ~/.tabmesh)
  REDIS_URL              where an entry counts what was served (default: TABMESH_HOME/ledger.sqlite)
  TABMESH_API_KEYS       who may call an entry's /v1: alice:KEY,bob:KEY (default: everyone)
  TABMESH_API_KEY_LIMIT  requests a minute of each key (default: 100)
  TABMESH_CORS_ORIGINS   pages of other sites that may call /v1: https://app.example,… or * (default: none)
  TABMESH_LOG            ${LOG_LEVELS.join(', ')}`;

/** @param args without the program's own name. */
export async function main(args: readonly string[]): Promise<void> {
  endWithReader();
  // Also of what nobody catches: Node prints the stack after that.
  process.on('uncaughtExceptionMonitor', showSourceLines);
  holdYoungHeap();
  dropDisabledFlags(process.env);
  await createProgram().parseAsync(args, { from: 'user' });
}

export function createProgram(): Command {
  const program = new Command('tabmesh')
    .description('Chat with open models that run on many devices, and lend this one.')
    .version(VERSION)
    .showHelpAfterError('Add --help for what can be given.')
    .addHelpText('after', ENVIRONMENT_HELP)
    .hook('preAction', (_program, command) => {
      const level = process.env.TABMESH_LOG ?? '';
      if (level === '' || levelNamed(level) !== undefined) return;
      command.error(`error: TABMESH_LOG is '${level}'. Give one of ${LOG_LEVELS.join(', ')}.`);
    });
  for (const command of [upCommand(), entryCommand(), serveCommand(), modelsCommand(), doctorCommand()]) {
    program.addCommand(command.copyInheritedSettings(program).addHelpText('after', ENVIRONMENT_HELP));
  }
  // Adds `complete`, which prints the script for a shell and answers it.
  completeIn(program);
  const complete = program.commands.find((command) => command.name() === 'complete');
  complete?.description('print the script with which a shell completes commands and flags');
  return program;
}
