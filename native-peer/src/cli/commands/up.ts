/** `tabmesh up`, which is `npm start`: an entry and one native peer with the embedded model, ready when chat works. */
import { ModelId, systemClock } from '@tabmesh/shared';
import { Command, Option } from 'commander';
import { repository } from '../../home/repository.ts';
import { UP_GRACE_SECONDS } from '../../limits.ts';
import { addFallbackOptions, type FallbackFlags, fallbackTexts } from '../fallback-options.ts';
import { createLogger } from '../logging.ts';
import { hasScreen, openBrowser } from '../open-browser.ts';
import { gpuOption, hostOption, portOption, portOr, publicOption, slotsOption, threadsOption } from '../options.ts';
import { runService, type Service } from '../run-service.ts';

interface UpOptions extends FallbackFlags {
  readonly port?: number;
  readonly host: string;
  readonly public: boolean;
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
  const port = portOr(options.port);
  const { ensureWebBuilt } = await import('../../../../shared/setup/build-web.mjs');
  await ensureWebBuilt(repository.root);
  const { openEntry } = await import('../../peer/open-entry.ts');
  const { supervisePeer } = await import('../../peer/supervised-peer.ts');
  const { firstAnswer } = await import('../../peer/first-answer.ts');

  const entry = await openEntry({
    port,
    host: options.host,
    isPublic: options.public,
    fallback: fallbackTexts(options),
    logger,
  });
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
    const id = await modelIdOf(options.model);
    await Promise.race([firstAnswer(entry.mesh, id, stop), peer.failed]);
  } catch (error) {
    await close();
    throw error;
  }
  console.log(`TabMesh ready: ${entry.url}`);
  const wanted = options.open && process.env.TABMESH_NO_OPEN === undefined;
  if (wanted && hasScreen(process.env, process.stdout.isTTY)) openBrowser(entry.url);
  return { failed: peer.failed, close };
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

async function modelIdOf(nameOrPath: string): Promise<ModelId> {
  const { modelIdOfFile } = await import('../../models/model-file-name.ts');
  return nameOrPath.endsWith('.gguf') ? modelIdOfFile(nameOrPath) : ModelId.parse(nameOrPath);
}
