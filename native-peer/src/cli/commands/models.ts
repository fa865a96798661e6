/** `tabmesh models`: what can be served from this machine. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { PullFlags } from '../actions/models.ts';
import { jsonOption } from '../options.ts';

const HUB_HELP = `
As the hub's own tools have it:
  HF_TOKEN                 a token, for models that want one
  HF_ENDPOINT              another hub or a mirror (default: https://huggingface.co)
  HTTPS_PROXY, HTTP_PROXY  the proxy that leads out, if there is one; NO_PROXY names what needs none`;

export function modelsCommand(): Command {
  return new Command('models')
    .description('list, download and remove models')
    .addCommand(
      new Command('ls')
        .description(
          'list the models that are here and the ones that can be pulled, which of them fit this machine, and how fast it should run them',
        )
        .addOption(jsonOption())
        .action(async ({ json }: { json: boolean }) => (await actions()).listAction(json)),
    )
    .addCommand(
      new Command('pull')
        .description('download a model; goes on where an earlier attempt stopped')
        .argument(
          '<name-or-url>',
          "a name of `tabmesh models ls`, a hub's repository (owner/name:Q4_K_M), or the address of a GGUF file; of a model in parts that of any part",
        )
        .addOption(
          new Option('--name <name>', "what to call it here (default: made from the file's name)").env('TABMESH_NAME'),
        )
        .addOption(
          new Option(
            '--sha256 <hex>',
            'what the file must hash to, with commas where it has several parts; else the hub is asked',
          )
            .env('TABMESH_SHA256')
            .argParser(sha256),
        )
        .addHelpText('after', HUB_HELP)
        .action(async (source: string, flags: PullFlags, command: Command) => {
          const { pullAction } = await actions();
          return pullAction(source, flags, (sentence) => command.error(`error: ${sentence}`));
        }),
    )
    .addCommand(
      new Command('rm')
        .description('remove downloaded models')
        .argument('<name...>', 'names of `tabmesh models ls`')
        .action(async (names: string[]) => (await actions()).removeAction(names)),
    );
}

/** With llama.cpp and the catalog. */
const actions = () => import('../actions/models.ts');

function sha256(text: string): string {
  const hashes = text.toLowerCase().replace(/\s/g, '');
  if (/^[0-9a-f]{64}(,[0-9a-f]{64})*$/.test(hashes)) return hashes;
  throw new InvalidArgumentError('Give the 64 hex digits of a SHA-256; of a model in parts one for each, with commas.');
}
