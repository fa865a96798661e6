/** What `tabmesh up` does. */
import { systemClock } from '@tabmesh/shared';
import { homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { UP_GRACE_SECONDS } from '../../limits.ts';
import { missingLlama } from '../../llama/missing-llama.ts';
import { type FoundModel, ModelStore } from '../../models/model-store.ts';
import { firstAnswer } from '../../peer/first-answer.ts';
import { openEntry } from '../../peer/open-entry.ts';
import { supervisePeer } from '../../peer/supervised-peer.ts';
import { fallbackTexts } from '../fallback-options.ts';
import { createLogger } from '../logging.ts';
import { hasScreen, openBrowser } from '../open-browser.ts';
import { portOr } from '../options.ts';
import { printReady } from '../print-ready.ts';
import { runService, type Service } from '../run-service.ts';
import { complain } from '../terminal.ts';
import type { EntryCommandOptions } from './entry.ts';

export interface UpOptions extends EntryCommandOptions {
  readonly open: boolean;
  readonly model: string;
  readonly slots: number;
  readonly threads?: number;
  readonly gpu: 'auto' | 'off';
}

/**
 * glibc, once llama.cpp has given back a large buffer, takes the next ones from its heap and keeps them: 50 MB beside a model
 * of 5 MB. With a fixed bound they go back to the system.
 */
const SMALL_HEAP = { MALLOC_MMAP_THRESHOLD_: '131072' };

export function upAction(options: UpOptions): Promise<never> {
  return runService((stop) => up(options, stop));
}

async function up(options: UpOptions, stop: AbortSignal): Promise<Service> {
  const logger = await createLogger('warn');
  const { id } = await findModel(options.model);
  const port = portOr(options.port);
  if (repository.root !== undefined) {
    const { ensureWebBuilt } = await import('@tabmesh/shared/setup/build-web');
    await ensureWebBuilt(repository.root);
  }

  const entry = await openEntry({
    port,
    host: options.host,
    isPublic: options.public,
    allowedHosts: options.allowedHosts,
    trustedProxies: options.trustedProxies,
    membersPerNetwork: options.membersPerNetwork,
    fallback: fallbackTexts(options),
    logger,
  });
  const missing = missingLlama();
  if (missing !== undefined) {
    complain(missing, 'The web app and the entry run without it: lend a tab, or tabmesh serve --engine …');
    return announced(entry.url, options, { failed: new Promise<never>(() => {}), close: () => entry.close() });
  }
  const peer = supervisePeer({
    script: repository.cli,
    args: serveArguments(options, entry.url),
    // As quiet as this process is, and without a key that is the entry's alone.
    environment: { TABMESH_LOG: 'warn', ...SMALL_HEAP, ...process.env, TABMESH_FALLBACK_KEY: '' },
    clock: systemClock,
    logger,
  });
  const close = async () => {
    await Promise.all([peer.close(), entry.close()]);
  };
  try {
    await Promise.race([firstAnswer(entry.mesh, id, stop), peer.failed]);
  } catch (error) {
    await close();
    throw error;
  }
  return announced(entry.url, options, { failed: peer.failed, close });
}

function announced(url: string, { host, open }: UpOptions, service: Service): Service {
  printReady(url, host);
  const wanted = open && process.env.TABMESH_NO_OPEN === undefined;
  if (wanted && hasScreen(process.env, process.stdout.isTTY)) openBrowser(url);
  return service;
}

function serveArguments(options: UpOptions, url: string): string[] {
  const { model, slots, threads, gpu } = options;
  const args = [
    'serve',
    '--model',
    model,
    '--join',
    url,
    '--slots',
    String(slots),
    '--gpu',
    gpu,
    '--grace',
    String(UP_GRACE_SECONDS),
  ];
  return threads === undefined ? args : [...args, '--threads', String(threads)];
}

/** Before anything is started: a wrong name should not take a minute. */
async function findModel(nameOrPath: string): Promise<FoundModel> {
  const store = new ModelStore({ home: await openHome(homePath()), embeddedPath: repository.models });
  return store.find(nameOrPath);
}
