/** What `tabmesh models` does. */
import { fitsIn, largestAtChatSpeed, MeshError, ModelId, memoryNeededBytes } from '@tabmesh/shared';
import { type Home, homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { formatBytes } from '../../models/format-bytes.ts';
import { type ListedModel, ModelStore } from '../../models/model-store.ts';
import { expectedRates } from '../../speed/expected-rates.ts';
import { createProgressBar } from '../progress-bar.ts';
import { runTask } from '../run-task.ts';
import { print, printJson } from '../terminal.ts';

export interface PullFlags {
  readonly sha256?: string;
  readonly name?: string;
}

export const listAction = (json: boolean) => runTask(() => list(json));

/** `refuse`: ends the command with a sentence about a flag. */
export function pullAction(source: string, flags: PullFlags, refuse: (sentence: string) => never): Promise<never> {
  const { sha256, name } = flags;
  if (name === undefined) return runTask((stop) => pull(source, { sha256 }, stop));
  const id = ModelId.safeParse(name);
  if (id.success) return runTask((stop) => pull(source, { sha256, name: id.data }, stop));
  return refuse(`--name is '${name}'. Give a name of letters, digits and . _ : - such as Qwen3-8B-2.`);
}

export const removeAction = (names: readonly string[]) => runTask(() => remove(names));

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

async function list(json: boolean): Promise<void> {
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

interface PullWish {
  readonly sha256: string | undefined;
  readonly name?: ModelId;
}

async function pull(source: string, { sha256, name }: PullWish, stop: AbortSignal): Promise<void> {
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

async function remove(names: readonly string[]): Promise<void> {
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
