/** `tabmesh up`, which is `npm start`: an entry and one native peer with the embedded model, ready when chat works. */
import { Command, Option } from 'commander';
import type { UpOptions } from '../actions/up.ts';
import { addFallbackOptions } from '../fallback-options.ts';
import {
  allowedHostsOption,
  gpuOption,
  hostOption,
  membersPerNetworkOption,
  portOption,
  publicOption,
  slotsOption,
  threadsOption,
  trustedProxiesOption,
} from '../options.ts';

export function upCommand(): Command {
  const command = new Command('up')
    .description('run everything: an entry, the web app and one native peer with the embedded model')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(publicOption())
    .addOption(allowedHostsOption())
    .addOption(trustedProxiesOption())
    .addOption(membersPerNetworkOption())
    .addOption(new Option('--no-open', 'open no browser (env: TABMESH_NO_OPEN)'))
    .addOption(
      new Option('--model <file-or-name>', 'what the native peer serves').env('TABMESH_MODEL').default('mesh-tiny'),
    )
    .addOption(slotsOption())
    .addOption(threadsOption())
    .addOption(gpuOption());
  return addFallbackOptions(command).action(async (options: UpOptions) =>
    (await import('../actions/up.ts')).upAction(options),
  );
}
