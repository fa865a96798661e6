/** `tabmesh entry`: the server that peers and browsers meet at, without a model of its own. */
import { Command } from 'commander';
import { createLogger } from '../logging.ts';
import { hostOption, portOption, portOr, publicOption } from '../options.ts';
import { runService, type Service } from '../run-service.ts';

interface EntryCommandOptions {
  readonly port?: number;
  readonly host: string;
  readonly public: boolean;
}

export function entryCommand(): Command {
  return new Command('entry')
    .description('run an entry: signaling, web app and OpenAI-compatible API on one port')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(publicOption())
    .action((options: EntryCommandOptions) => runService((stop) => runEntry(options, stop)));
}

async function runEntry({ port, host, public: isPublic }: EntryCommandOptions, stop: AbortSignal): Promise<Service> {
  const { openEntry } = await import('../open-entry.ts');
  const { online } = await import('../online.ts');
  const entry = await openEntry({ port: portOr(port), host, isPublic, logger: createLogger('info') });
  try {
    await online(entry.mesh, stop);
  } catch (error) {
    await entry.close();
    throw error;
  }
  console.log(`TabMesh ready: ${entry.url}`);
  return { failed: new Promise<never>(() => {}), close: () => entry.close() };
}
