/** An entry with this machine's key, the embedded models and, when it is built, the web app. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Logger, systemRandom } from '@tabmesh/shared';
import {
  accessSettings,
  createBudgetFile,
  type Entry,
  type FallbackTexts,
  fallbackSettings,
  startEntry,
} from '@tabmesh/signaling';
import { homePath, openHome } from '../home/home.ts';
import { openIdentity } from '../home/identity-file.ts';
import { repository } from '../home/repository.ts';
import { VERSION } from '../home/version.ts';
import { checkBindAddress, explainBind } from './bind-address.ts';

export interface OpenEntryOptions {
  readonly port: number;
  readonly host: string;
  /** Whether the user said that other machines may reach it. */
  readonly isPublic: boolean;
  /** Names that lead here, beside addresses and this machine's own. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Whose forwarded headers count. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Absent: as many as the entry takes by itself. */
  readonly membersPerNetwork?: number | undefined;
  readonly fallback?: FallbackTexts;
  readonly logger: Logger;
}

/** @throws MeshError `invalid_request`, `home_not_writable`, `port_in_use` */
export async function openEntry(options: OpenEntryOptions): Promise<Entry> {
  const { port, host, isPublic, allowedHosts = [], trustedProxies = [], membersPerNetwork, fallback, logger } = options;
  checkBindAddress(host, isPublic);
  const settings = fallbackSettings(fallback ?? {});
  const access = accessSettings({
    keys: takeKeys(),
    limit: process.env.TABMESH_API_KEY_LIMIT,
    origins: process.env.TABMESH_CORS_ORIGINS,
    hosts: allowedHosts.join(),
    proxies: trustedProxies.join(),
  });
  const webRoot = builtWeb();
  if (webRoot === undefined) logger.warn({}, NO_WEB_APP);
  const home = await openHome(homePath());
  const opened = await openIdentity(home.path, 'entry', systemRandom);
  try {
    const entry = await startEntry({
      host,
      port,
      modelRoot: repository.models,
      ...(webRoot === undefined ? {} : { webRoot }),
      identity: opened.identity,
      version: VERSION,
      ledgerPath: join(home.path, 'ledger.sqlite'),
      redisUrl: process.env.REDIS_URL,
      logger,
      access,
      ...(membersPerNetwork === undefined ? {} : { hubLimits: { membersPerNetwork } }),
      fallback: settings && { settings, store: createBudgetFile(join(home.path, 'fallback-budget.json'), logger) },
    });
    return {
      url: entry.url,
      mesh: entry.mesh,
      async close() {
        await entry.close();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw explainBind(error, host, port);
  }
}

const NO_WEB_APP =
  repository.root === undefined
    ? 'This package was packed without the web app: API and status work. npm run pack packs it with it.'
    : 'The web app is not built: API and status work. npm start builds it.';

function builtWeb(): string | undefined {
  const { web } = repository;
  return existsSync(join(web, 'index.html')) ? web : undefined;
}

/** Out of the environment, so that no child process inherits them. */
function takeKeys(): string | undefined {
  const keys = process.env.TABMESH_API_KEYS;
  delete process.env.TABMESH_API_KEYS;
  return keys;
}
