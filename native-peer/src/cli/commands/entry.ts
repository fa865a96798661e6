/** `tabmesh entry`: the server that peers and browsers meet at, without a model of its own. */
import { Command } from 'commander';
import { addFallbackOptions, type FallbackFlags, fallbackTexts } from '../fallback-options.ts';
import { createLogger } from '../logging.ts';
import {
  allowedHostsOption,
  hostOption,
  membersPerNetworkOption,
  portOption,
  portOr,
  publicOption,
  trustedProxiesOption,
} from '../options.ts';
import { printReady } from '../print-ready.ts';
import { runService, type Service } from '../run-service.ts';

interface EntryCommandOptions extends FallbackFlags {
  readonly port?: number;
  readonly host: string;
  readonly public: boolean;
  readonly allowedHosts?: readonly string[];
  readonly trustedProxies?: readonly string[];
  readonly membersPerNetwork?: number;
}

export function entryCommand(): Command {
  const command = new Command('entry')
    .description('run an entry: signaling, web app and OpenAI-compatible API on one port')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(publicOption())
    .addOption(allowedHostsOption())
    .addOption(trustedProxiesOption())
    .addOption(membersPerNetworkOption());
  return addFallbackOptions(command).action((options: EntryCommandOptions) =>
    runService((stop) => runEntry(options, stop)),
  );
}

async function runEntry(options: EntryCommandOptions, stop: AbortSignal): Promise<Service> {
  const { port, host, public: isPublic, allowedHosts, trustedProxies, membersPerNetwork } = options;
  const { openEntry } = await import('../../peer/open-entry.ts');
  const { online } = await import('../../peer/online.ts');
  const entry = await openEntry({
    port: portOr(port),
    host,
    isPublic,
    allowedHosts,
    trustedProxies,
    membersPerNetwork,
    fallback: fallbackTexts(options),
    logger: createLogger('info'),
  });
  try {
    await online(entry.mesh, stop);
  } catch (error) {
    await entry.close();
    throw error;
  }
  printReady(entry.url, host);
  return { failed: new Promise<never>(() => {}), close: () => entry.close() };
}
