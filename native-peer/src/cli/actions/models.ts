/** What `tabmesh models` does. */
import { fitsIn, MeshError, ModelId, memoryNeededBytes } from '@tabmesh/shared';
import { homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { formatBytes } from '../../models/format-bytes.ts';
import { type ListedModel, ModelStore } from '../../models/model-store.ts';
import { createProgressBar } from '../progress-bar.ts';
import { runTask } from '../run-task.ts';

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

async function list(json: boolean): Promise<void> {
  const { freeMemoryBytes } = await import('../../llama/memory-fit.ts');
  const store = await openStore();
  // Where llama.cpp does not run, doctor tells why; the list is of use all the same.
  const freeBytes = await freeMemoryBytes({}).catch(() => process.availableMemory());
  const models = (await store.list()).map((model) => ({ ...model, fits: fitsIn(freeBytes, model.fullSizeBytes) }));
  if (json) console.log(JSON.stringify(models, null, 2));
  else for (const line of table(models)) console.log(line);
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
    const size = formatBytes(pulled.sizeBytes);
    if (pulled.isNew) console.log(`Pulled ${pulled.id}, ${size}; ${checked}.`);
    else console.log(`${pulled.id} is here already, ${size}. To get it anew: npx tabmesh models rm ${pulled.id}`);
    console.log(`Serve it: npx tabmesh serve ${pulled.id}`);
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
    console.log(`Removed ${name}.`);
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
