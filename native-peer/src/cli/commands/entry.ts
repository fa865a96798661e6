/** `tabmesh entry`: the server that peers and browsers meet at, without a model of its own. */
import { Command } from 'commander';
import type { EntryCommandOptions } from '../actions/entry.ts';
import { addFallbackOptions } from '../fallback-options.ts';
import {
  allowedHostsOption,
  hostOption,
  membersPerNetworkOption,
  portOption,
  publicOption,
  trustedProxiesOption,
} from '../options.ts';

export function entryCommand(): Command {
  const command = new Command('entry')
    .description('run an entry: signaling, web app and OpenAI-compatible API on one port')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(publicOption())
    .addOption(allowedHostsOption())
    .addOption(trustedProxiesOption())
    .addOption(membersPerNetworkOption());
  return addFallbackOptions(command).action(async (options: EntryCommandOptions) =>
    (await import('../actions/entry.ts')).entryAction(options),
  );
}
