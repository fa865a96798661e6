/** The HTTP app in front of a scripted mesh and a provider on a real port, on a clock that stands still. */
import { type Logger, ModelId, systemRandom } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { onTestFinished } from 'vitest';
import type { AccessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import { createFallback } from '../../src/fallback/fallback.ts';
import type { BudgetStore } from '../../src/fallback/fallback-budget.ts';
import { fallbackSettings } from '../../src/fallback/fallback-settings.ts';
import { ownPage } from './own-page.ts';
import { PROVIDER_KEY, type ProviderBehaviour, startProvider } from './provider-server.ts';
import { createScriptedMesh } from './scripted-mesh.ts';

/** Mapped, of the right tier, and served by nobody unless a test says so. */
export const MODEL = ModelId.parse('Qwen3-8B');

interface Start {
  readonly behaviour?: ProviderBehaviour;
  readonly configured?: boolean;
  readonly listen?: boolean;
  readonly url?: string;
  readonly models?: string;
  readonly budget?: number;
  readonly store?: BudgetStore;
  readonly access?: AccessSettings;
}

const forgetful: BudgetStore = { load: async () => ({}), save: async () => {} };

export async function startWithProvider(options: Start = {}) {
  const provider = await startProvider(options.behaviour);
  const clock = new ManualClock();
  const { lines, logger } = recordingLogger();
  const settings = fallbackSettings({
    url: options.url ?? provider.url,
    key: PROVIDER_KEY,
    models: options.models ?? `${MODEL}=their/qwen`,
    budget: options.budget,
  });
  const fallback =
    options.configured === false || settings === undefined
      ? undefined
      : createFallback({ settings, store: options.store ?? forgetful, clock, random: systemRandom, logger });
  const mesh = createScriptedMesh();
  const app = buildServer({ mesh, version: 'test', clock, logger, fallback, access: options.access });
  const close = async () => {
    await app.close();
    await fallback?.close();
    await provider.close();
  };
  onTestFinished(close);
  const url = options.listen ? await app.listen({ host: '127.0.0.1', port: 0 }) : '';
  const page = () => ownPage(app, url === '' ? undefined : new URL(url).host);
  const post = async (path: string, payload: object) =>
    app.inject({ method: 'POST', url: path, payload, headers: await page() });
  return {
    mesh,
    provider,
    clock,
    lines,
    app,
    url,
    /** What an own page sends along, as `post` and `chat` do. */
    page,
    post,
    chat: (payload: object) => post('/api/chat', payload),
    close,
  };
}

/** One peer that serves the daily driver, fast unless told otherwise. */
export function serveDaily(
  mesh: ReturnType<typeof createScriptedMesh>,
  figures: { tokensPerSecond?: number } = {},
): void {
  mesh.models = () => [{ id: MODEL, peers: [mesh.servedBy], contextTokens: 1024 }];
  const measured = mesh.measurementsOf(MODEL)[0]?.measured ?? null;
  mesh.measurementsOf = () => [{ peerId: mesh.servedBy, measured: measured && { ...measured, ...figures } }];
}

function recordingLogger(): { lines: string[]; logger: Logger } {
  const lines: string[] = [];
  const log = (fields: object, text: string) => {
    lines.push(`${text} ${JSON.stringify(fields, (_key, value) => (value instanceof Error ? value.stack : value))}`);
  };
  return { lines, logger: { debug: log, info: log, warn: log, error: log } };
}
