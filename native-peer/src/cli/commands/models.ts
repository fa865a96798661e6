/** `tabmesh models`: what can be served from this machine. */
import { fitsIn, largestAtChatSpeed, MeshError, ModelId, memoryNeededBytes } from '@tabmesh/shared';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Home, homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { formatBytes } from '../../models/format-bytes.ts';
import { type ListedModel, ModelStore } from '../../models/model-store.ts';
import { expectedRates } from '../../speed/expected-rates.ts';
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
          'list the models that are here and the ones that can be pulled, which of them fit this machine, and how fast it should run them',
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

type RatedModel = ListedModel & {
  readonly fits: boolean;
  /** In tokens a second; null where it can't be told. */
  readonly expectedTokensPerSecond: number | null;
  /** What it did alone in this machine when it was served last. */
  readonly measuredTokensPerSecond: number | null;
  /** At most one: the largest that should answer at the speed of a chat. */
  readonly isBestChoice: boolean;
};

async function ls(json: boolean): Promise<void> {
  const home = await openHome(homePath());
  const rated = await rate(await new ModelStore({ home, embeddedPath: repository.models }).list(), home);
  if (json) printJson(rated);
  else print(...table(rated));
}

async function rate(models: readonly ListedModel[], home: Home): Promise<readonly RatedModel[]> {
  const { machineMemory } = await import('../../llama/memory-fit.ts');
  // Where llama.cpp does not run, doctor tells why; the list is of use all the same.
  const unknown = { freeBytes: process.availableMemory(), gpuBytes: 0, gpuNames: [] };
  const machine = await machineMemory({}).catch(() => unknown);
  const rates = await expectedRates({ file: home.speedFile, machine }).catch(() => undefined);
  const rated = models.map((model) => {
    const { expected, measured } = rates?.of(model.id, model.fullSizeBytes) ?? {};
    return {
      ...model,
      fits: fitsIn(machine.freeBytes, model.fullSizeBytes),
      expectedTokensPerSecond: expected ?? null,
      measuredTokensPerSecond: measured ?? null,
      isBestChoice: false,
    };
  });
  const best = largestAtChatSpeed(
    rated
      .filter(({ fits, state }) => fits && state !== 'partial')
      .map((model) => ({
        model,
        sizeBytes: model.fullSizeBytes,
        tokensPerSecond: model.measuredTokensPerSecond ?? model.expectedTokensPerSecond ?? 0,
        isDailyDriver: model.tier === 'daily-driver',
      })),
  );
  return rated.map((model) => ({ ...model, isBestChoice: model === best?.model }));
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

function table(models: readonly RatedModel[]): string[] {
  const rows = models.map((model) => [
    model.id,
    formatBytes(model.sizeBytes),
    model.tier,
    STATE_WORDS[model.state],
    rateWords(model),
    model.fits ? 'fits' : `needs ${formatBytes(memoryNeededBytes(model.fullSizeBytes))} of memory`,
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  const best = models.find(({ isBestChoice }) => isBestChoice);
  return best === undefined
    ? lines
    : [...lines, '', `The best choice for this machine: ${best.id}, ${rateWords(best)}`];
}

/** `~12 tok/s`, or `14 tok/s measured (~12 expected)`. What does not fit has none: it would not run. */
function rateWords({ fits, expectedTokensPerSecond, measuredTokensPerSecond }: RatedModel): string {
  const expected = expectedTokensPerSecond === null ? undefined : `~${twoDigits(expectedTokensPerSecond)}`;
  if (measuredTokensPerSecond !== null) {
    return `${twoDigits(measuredTokensPerSecond)} tok/s measured${expected === undefined ? '' : ` (${expected} expected)`}`;
  }
  return !fits || expected === undefined ? '—' : `${expected} tok/s`;
}

function twoDigits(rate: number): string {
  return String(Number(rate.toPrecision(2)));
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
