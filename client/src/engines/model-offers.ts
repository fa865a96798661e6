/**
 * Which models this device could lend: the embedded ones, the catalogue's GGUF files, and WebLLM's list where WebGPU is
 * really there. What does not fit is listed too, with the reason.
 */
import {
  CATALOG,
  type CatalogModel,
  isChatSpeed,
  largestAtChatSpeed,
  memoryNeededBytes,
  tierOf,
} from '@tabmesh/shared';
import { ASSUMED_MEMORY_BYTES, MAX_GGUF_BYTES } from '../limits.ts';
import { type DeviceReport, hasFastGpu, hasGpuForGguf } from './kit/device-report.ts';
import type { ModelSource } from './kit/model-source.ts';
import { type Expectations, type ExpectedRate, expectedRate } from './speed/expectations.ts';
import { featuresOf } from './webllm/mlc-features.ts';
import type { MlcListing } from './webllm/webllm-messages.ts';

export interface ModelOffer {
  id: string;
  label: string;
  source: ModelSource;
  engine: 'wllama' | 'webllm';
  /** WebLLM's list only knows the memory that a model takes with its context, a little more than its files. */
  sizeBytes: number;
  fits: boolean;
  reason?: string;
  /** At most one offer: the best that fits. */
  recommended: boolean;
  /** Absent as long as the device was not measured, and of what does not fit. */
  expected?: ExpectedRate;
  /** That it should answer at the speed of a chat, by what it reached here if it ran, else by what is expected. */
  atChatSpeed?: boolean;
}

/**
 * Embedded models first, then the recommended one and the others that fit, the largest first; behind them what fits but is
 * too slow for a chat, then what does not fit.
 */
export async function modelOffers(
  report: DeviceReport,
  entryUrl: string,
  expectations?: Expectations,
): Promise<ModelOffer[]> {
  const listed = report.webgpu.available ? await listedByWebllm() : [];
  return offersAmong(listed, report, entryUrl, expectations);
}

/** Without WebLLM's list, offline say, the other models are still there to lend. */
async function listedByWebllm(): Promise<readonly MlcListing[]> {
  try {
    const { listMlcModels } = await import('./webllm/webllm-client.ts');
    return await listMlcModels();
  } catch {
    return [];
  }
}

/** The same over a given list of WebLLM. */
export function offersAmong(
  listed: readonly MlcListing[],
  report: DeviceReport,
  entryUrl: string,
  expectations?: Expectations,
): ModelOffer[] {
  const rated = (offer: ModelOffer) => withRate(offer, report, expectations);
  const embedded = CATALOG.flatMap((model) => ggufOffer(model, report, entryUrl, 'embedded')).map(rated);
  const others = [
    ...CATALOG.flatMap((model) => ggufOffer(model, report, entryUrl, 'downloaded')),
    ...listed.filter(isWorthwhile).map((listing) => webllmOffer(listing, report)),
  ]
    .map(rated)
    .sort((a, b) => rankOf(a) - rankOf(b) || b.sizeBytes - a.sizeBytes || (a.label < b.label ? -1 : 1));
  const best = recommendedOf([...embedded, ...others], report, expectations);
  // In sight also of who does not look at all of them.
  others.sort((a, b) => Number(b === best) - Number(a === best));
  return [...embedded, ...others].map((offer) => ({ ...offer, recommended: offer === best }));
}

function rankOf({ fits, atChatSpeed }: ModelOffer): number {
  if (!fits) return 2;
  return atChatSpeed === false ? 1 : 0;
}

/** WebLLM computes on the GPU only, llama.cpp where the GPU has what it wants. */
function withRate(offer: ModelOffer, report: DeviceReport, expectations: Expectations | undefined): ModelOffer {
  const isOnGpu = offer.engine === 'webllm' || hasGpuForGguf(report);
  const expectation = isOnGpu ? expectations?.gpu : expectations?.cpu;
  if (!offer.fits || expectation === undefined) return offer;
  const expected = expectedRate(offer.id, offer.sizeBytes, expectation);
  const rate = expected.measuredTokensPerSecond ?? expected.tokensPerSecond;
  return { ...offer, expected, atChatSpeed: isChatSpeed(rate) };
}

function ggufOffer(
  { id, gguf }: CatalogModel,
  report: DeviceReport,
  entryUrl: string,
  kind: 'embedded' | 'downloaded',
): ModelOffer[] {
  if (gguf === undefined) return [];
  const { file, url, sizeBytes } = gguf;
  const address = kind === 'embedded' ? file && new URL(`/models/${file}`, entryUrl).href : url;
  if (address === undefined) return [];
  const source: ModelSource = { kind: 'gguf-url', id, url: address, sizeBytes };
  const tooLarge = sizeBytes > MAX_GGUF_BYTES ? 'Browsers load GGUF files of up to 2 GB only.' : undefined;
  const reason = tooLarge ?? lacksRoom(sizeBytes, memoryNeededBytes(sizeBytes), report);
  return [offer(id, `${id} · GGUF`, source, 'wllama', sizeBytes, reason)];
}

function webllmOffer({ mlcId, features, memoryBytes, bufferBytes }: MlcListing, report: DeviceReport): ModelOffer {
  const { webgpu } = report;
  const missing = featuresOf(mlcId, features).find((feature) => !webgpu.features.includes(feature));
  const reason =
    (hasFastGpu(report) ? undefined : webgpu.reason) ??
    (missing && `It needs ${missing}, which this GPU or browser has not.`) ??
    (bufferBytes > (webgpu.maxBufferBytes ?? 0) ? 'It needs larger buffers than this GPU has.' : undefined) ??
    lacksRoom(memoryBytes, memoryBytes, report);
  const label = `${mlcId.replace(/-MLC\b/, '')} · WebLLM`;
  return offer(mlcId, label, { kind: 'mlc-prebuilt', mlcId }, 'webllm', memoryBytes, reason);
}

/** Chat models, without the variants that only hold a thousand tokens and those that were never taught to chat. */
function isWorthwhile({ isChat, mlcId }: MlcListing): boolean {
  return isChat && !/-1k$|-Base-/.test(mlcId);
}

function offer(
  id: string,
  label: string,
  source: ModelSource,
  engine: ModelOffer['engine'],
  sizeBytes: number,
  reason: string | undefined,
): ModelOffer {
  const base = { id, label, source, engine, sizeBytes, recommended: false };
  return reason === undefined ? { ...base, fits: true } : { ...base, fits: false, reason };
}

function lacksRoom(
  sizeBytes: number,
  neededBytes: number,
  { memoryBytes, storageFreeBytes }: DeviceReport,
): string | undefined {
  const memory = memoryBytes ?? ASSUMED_MEMORY_BYTES;
  if (neededBytes > memory) {
    return `It needs ${gigabytes(neededBytes)} of memory; this device has about ${gigabytes(memory)}.`;
  }
  if (storageFreeBytes !== null && sizeBytes > storageFreeBytes) {
    return `It needs ${gigabytes(sizeBytes)} of storage; this browser has ${gigabytes(storageFreeBytes)} left.`;
  }
  return undefined;
}

/**
 * Once the device is measured: the largest daily driver that should answer at the speed of a chat, else the largest model
 * that should, else the embedded one. Before that, on a real GPU the largest daily driver that fits, else the largest of all;
 * on a CPU the embedded models. WebLLM's build of a model is the faster one.
 */
function recommendedOf(
  offers: readonly ModelOffer[],
  report: DeviceReport,
  expectations: Expectations | undefined,
): ModelOffer | undefined {
  const fitting = offers.filter(({ fits }) => fits);
  const measured = fitting.filter(({ expected }) => expected !== undefined);
  if (expectations !== undefined && measured.length > 0) return fastEnough(measured) ?? fitting[0];
  if (!hasFastGpu(report)) return fitting[0];
  const onGpu = fitting.filter(({ engine }) => engine === 'webllm');
  const [largest] = dailyDriversAmong(onGpu).sort((a, b) => b.sizeBytes - a.sizeBytes);
  return largest ?? onGpu[0] ?? fitting[0];
}

function fastEnough(offers: readonly ModelOffer[]): ModelOffer | undefined {
  const fast = offers.filter(({ atChatSpeed }) => atChatSpeed);
  const daily = new Set<ModelOffer>([
    ...dailyDriversAmong(fast),
    ...fast.filter(({ id, engine }) => engine === 'wllama' && tierOf(id) === 'daily-driver'),
  ]);
  const rated = fast.map((offer) => ({
    offer,
    sizeBytes: offer.sizeBytes,
    tokensPerSecond: offer.expected?.measuredTokensPerSecond ?? offer.expected?.tokensPerSecond ?? 0,
    isDailyDriver: daily.has(offer),
  }));
  return largestAtChatSpeed(rated)?.offer;
}

function dailyDriversAmong(offers: readonly ModelOffer[]): ModelOffer[] {
  return CATALOG.filter(({ tier }) => tier === 'daily-driver').flatMap((model) => preferredBuild(model, offers));
}

/** The build that the catalog names first among those that fit: half floats where the GPU has them. */
function preferredBuild({ mlc = [] }: CatalogModel, offers: readonly ModelOffer[]): ModelOffer[] {
  return mlc.flatMap((build) => offers.find(({ id }) => id === build.id) ?? []).slice(0, 1);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
