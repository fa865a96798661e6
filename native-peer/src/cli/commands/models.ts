/** `tabmesh models`: what can be served from this machine. */
import { fitsIn, MeshError, ModelId, memoryNeededBytes } from '@tabmesh/shared';
import { Command, InvalidArgumentError, Option } from 'commander';
import { homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { formatBytes } from '../../models/format-bytes.ts';
import { type ListedModel, ModelStore } from '../../models/model-store.ts';
import { jsonOption } from '../options.ts';
import { createProgressBar } from '../progress-bar.ts';
import { runTask } from '../run-task.ts';
import { print, printJson } from '../terminal.ts';

interface PullFlags {
  readonly sha256?: string;
  readonly name?: ModelId;
}

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
          'list the models that are here and the ones that can be pulled, and which of them fit this machine',
        )
        .addOption(jsonOption())
        .action(({ json }: { json: boolean }) => runTask(() => ls(json))),
    )
    .addCommand(
      new Command('pull')
        .description('download a model; goes on where an earlier attempt stopped')
        .argument(
          '<name-or-url>',
          "a name of `tabmesh models ls`, a hub's repository (owner/name:Q4_K_M), or the address of a GGUF file; of a model in parts that of any part",
        )
        .addOption(
          new Option('--name <name>', "what to call it here (default: made from the file's name)")
            .env('TABMESH_NAME')
            .argParser(modelName),
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
        .action((source: string, options: PullFlags) => runTask((stop) => pull(source, options, stop))),
    )
    .addCommand(
      new Command('rm')
        .description('remove downloaded models')
        .argument('<name...>', 'names of `tabmesh models ls`')
        .action((names: string[]) => runTask(() => rm(names))),
    );
}

async function openStore(): Promise<ModelStore> {
  return new ModelStore({ home: await openHome(homePath()), embeddedPath: repository.models });
}

async function ls(json: boolean): Promise<void> {
  const { freeMemoryBytes } = await import('../../llama/memory-fit.ts');
  const store = await openStore();
  // Where llama.cpp does not run, doctor tells why; the list is of use all the same.
  const freeBytes = await freeMemoryBytes({}).catch(() => process.availableMemory());
  const models = (await store.list()).map((model) => ({ ...model, fits: fitsIn(freeBytes, model.fullSizeBytes) }));
  if (json) printJson(models);
  else print(...table(models));
}

async function pull(source: string, { sha256, name }: PullFlags, stop: AbortSignal): Promise<void> {
  const store = await openStore();
  const bars = { download: createProgressBar('Downloading'), check: createProgressBar('Checking') };
  try {
    const pulled = await store.pull({
      source,
      sha256,
      name,
      signal: stop,
      onProgress({ phase, doneBytes, totalBytes }) {
        if (phase === 'check') bars.download.close();
        bars[phase].update(doneBytes, totalBytes);
      },
    });
    bars.check.close();
    const checked = pulled.verified ? 'its SHA-256 is the expected one' : `nobody told its SHA-256 (${pulled.sha256})`;
    const parts = pulled.files.length > 1 ? ` in ${pulled.files.length} parts` : '';
    const size = formatBytes(pulled.sizeBytes) + parts;
    if (pulled.isNew) print(`Pulled ${pulled.id}, ${size}; ${checked}.`);
    else print(`${pulled.id} is here already, ${size}. To get it anew: npx tabmesh models rm ${pulled.id}`);
    print(`Serve it: npx tabmesh serve ${pulled.id}`);
  } catch (error) {
    bars.download.close();
    bars.check.close();
    if (MeshError.is(error, 'cancelled')) {
      throw new MeshError('cancelled', 'The download was stopped. Pull again: it goes on where it stopped.');
    }
    throw error;
  }
}

async function rm(names: readonly string[]): Promise<void> {
  const store = await openStore();
  for (const name of names) {
    await store.remove(name);
    print(`Removed ${name}.`);
  }
}

const STATE_WORDS: Record<ListedModel['state'], string> = {
  embedded: 'built in',
  downloaded: 'downloaded',
  partial: 'partly downloaded',
  available: 'can be pulled',
};

function table(models: readonly (ListedModel & { readonly fits: boolean })[]): string[] {
  const rows = models.map(({ id, tier, state, sizeBytes, fullSizeBytes, fits }) => [
    id,
    formatBytes(sizeBytes),
    tier,
    STATE_WORDS[state],
    fits ? 'fits' : `needs ${formatBytes(memoryNeededBytes(fullSizeBytes))} of memory`,
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
}

function sha256(text: string): string {
  const hashes = text.toLowerCase().replace(/\s/g, '');
  if (/^[0-9a-f]{64}(,[0-9a-f]{64})*$/.test(hashes)) return hashes;
  throw new InvalidArgumentError('Give the 64 hex digits of a SHA-256; of a model in parts one for each, with commas.');
}

function modelName(text: string): ModelId {
  const name = ModelId.safeParse(text);
  if (!name.success) throw new InvalidArgumentError('Give a name of letters, digits and . _ : - such as Qwen3-8B-2.');
  return name.data;
}
