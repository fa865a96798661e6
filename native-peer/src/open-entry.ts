/** An entry with this machine's key, the embedded models and, when it is built, the web app. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Logger, systemRandom } from '@tabmesh/shared';
import { type Entry, startEntry } from '@tabmesh/signaling';
import { checkBindAddress } from './bind-address.ts';
import { homePath, openHome } from './home.ts';
import { openIdentity } from './identity-file.ts';
import { repository } from './repository.ts';
import { VERSION } from './version.ts';

export interface OpenEntryOptions {
  readonly port: number;
  readonly host: string;
  /** Whether the user said that other machines may reach it. */
  readonly isPublic: boolean;
  readonly logger: Logger;
}

/** @throws MeshError `unauthorized`, `home_not_writable`, `port_in_use` */
export async function openEntry({ port, host, isPublic, logger }: OpenEntryOptions): Promise<Entry> {
  checkBindAddress(host, isPublic);
  const home = await openHome(homePath());
  const opened = await openIdentity(home.path, 'entry', systemRandom);
  try {
    const entry = await startEntry({
      host,
      port,
      modelRoot: repository.models,
      ...(existsSync(join(repository.web, 'index.html')) ? { webRoot: repository.web } : {}),
      identity: opened.identity,
      version: VERSION,
      logger,
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
    throw error;
  }
}
