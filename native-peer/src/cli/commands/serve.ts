/** `tabmesh serve`: one native peer with one or more models, run by llama.cpp or by another program over HTTP. */
import { Command, Option } from 'commander';
import { DEFAULT_GRACE_SECONDS } from '../../limits.ts';
import type { ServeOptions } from '../actions/serve.ts';
import { ENGINES, OLLAMA_URL } from '../engines.ts';
import { contextOption, gpuOption, httpUrl, integer, list, slotsOption, threadsOption } from '../options.ts';

const KEY_HELP = `
With --engine openai or ollama:
  TABMESH_ENGINE_KEY   the key that the server at --url wants, if any`;

export function serveCommand(): Command {
  return new Command('serve')
    .description('lend this machine: serve one or more models to a mesh')
    .argument('[models...]', 'the same as --model')
    .addOption(
      new Option(
        '--model <file-or-name...>',
        "GGUF files or names of `tabmesh models ls`, or the names of another engine's models; with commas in the variable",
      )
        .env('TABMESH_MODEL')
        .argParser(list),
    )
    .addOption(
      new Option('--join <url>', "the entry's address")
        .env('TABMESH_JOIN')
        .argParser(httpUrl)
        .default('http://127.0.0.1:8080'),
    )
    .addOption(
      new Option(
        '--engine <name>',
        "what runs the models: llama.cpp in here, or a server with OpenAI's or Ollama's API",
      )
        .env('TABMESH_ENGINE')
        .choices(ENGINES)
        .default('llama'),
    )
    .addOption(
      new Option('--url <url>', `the address of that server (default of ollama: ${OLLAMA_URL})`)
        .env('TABMESH_ENGINE_URL')
        .argParser(httpUrl),
    )
    .addOption(slotsOption())
    .addOption(threadsOption())
    .addOption(contextOption())
    .addOption(gpuOption())
    .addOption(
      new Option('--grace <seconds>', 'how long running answers may take to end when this peer leaves')
        .env('TABMESH_GRACE')
        .argParser(integer(0, 3600))
        .default(DEFAULT_GRACE_SECONDS),
    )
    .addHelpText('after', KEY_HELP)
    .action(async (named: string[], options: ServeOptions, command: Command) => {
      const models = named.length > 0 ? named : (options.model ?? []);
      if (models.length > 0) return (await import('../actions/serve.ts')).serveAction(options, models);
      return command.error("error: no model is named. Name one or more, such as 'tabmesh serve mesh-tiny'.");
    });
}
