/** `tabmesh up`, which is `npm start`: an entry and one native peer with the embedded model, ready when chat works. */
import { systemClock } from '@tabmesh/shared';
import { Command, Option } from 'commander';
import { homePath, openHome } from '../../home/home.ts';
import { repository } from '../../home/repository.ts';
import { UP_GRACE_SECONDS } from '../../limits.ts';
import type { FoundModel } from '../../models/model-store.ts';
import { addFallbackOptions, type FallbackFlags, fallbackTexts } from '../fallback-options.ts';
import { createLogger } from '../logging.ts';
import { hasScreen, openBrowser } from '../open-browser.ts';
import {
  allowedHostsOption,
  gpuOption,
  hostOption,
  membersPerNetworkOption,
  portOption,
  portOr,
  publicOption,
  slotsOption,
  threadsOption,
  trustedProxiesOption,
} from '../options.ts';
import { printReady } from '../print-ready.ts';
import { runService, type Service } from '../run-service.ts';
import { complain } from '../terminal.ts';

interface UpOptions extends FallbackFlags {
  readonly port?: number;
  readonly host: string;
  readonly public: boolean;
  readonly allowedHosts?: readonly string[];
  readonly trustedProxies?: readonly string[];
  readonly membersPerNetwork?: number;
  readonly open: boolean;
  readonly model: string;
  readonly slots: number;
  readonly threads?: number;
  readonly gpu: 'auto' | 'off';
}

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
  return addFallbackOptions(command).action((options: UpOptions) => runService((stop) => up(options, stop)));
}

async function up(options: UpOptions, stop: AbortSignal): Promise<Service> {
  const logger = createLogger('warn');
  const { id } = await findModel(options.model);
  const port = portOr(options.port);
  if (repository.root !== undefined) {
    const { ensureWebBuilt } = await import('../../../../shared/setup/build-web.mjs');
    await ensureWebBuilt(repository.root);
  }
  const { openEntry } = await import('../../peer/open-entry.ts');
  const { supervisePeer } = await import('../../peer/supervised-peer.ts');
  const { firstAnswer } = await import('../../peer/first-answer.ts');
  const { missingLlama } = await import('../../llama/missing-llama.ts');

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
    environment: { TABMESH_LOG: 'warn', ...process.env, TABMESH_FALLBACK_KEY: '' },
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
  const { ModelStore } = await import('../../models/model-store.ts');
  const store = new ModelStore({ home: await openHome(homePath()), embeddedPath: repository.models });
  return store.find(nameOrPath);
}
