/** What `tabmesh entry` does. */
import { online } from '../../peer/online.ts';
import { openEntry } from '../../peer/open-entry.ts';
import { type FallbackFlags, fallbackTexts } from '../fallback-options.ts';
import { createLogger } from '../logging.ts';
import { portOr } from '../options.ts';
import { printReady } from '../print-ready.ts';
import { runService, type Service } from '../run-service.ts';

export interface EntryCommandOptions extends FallbackFlags {
  readonly port?: number;
  readonly host: string;
  readonly public: boolean;
  readonly allowedHosts?: readonly string[];
  readonly trustedProxies?: readonly string[];
  readonly membersPerNetwork?: number;
}

export function entryAction(options: EntryCommandOptions): Promise<never> {
  return runService((stop) => runEntry(options, stop));
}

async function runEntry(options: EntryCommandOptions, stop: AbortSignal): Promise<Service> {
  const { port, host, public: isPublic, allowedHosts, trustedProxies, membersPerNetwork } = options;
  const entry = await openEntry({
    port: portOr(port),
    host,
    isPublic,
    allowedHosts,
    trustedProxies,
    membersPerNetwork,
    fallback: fallbackTexts(options),
    logger: await createLogger('info'),
  });
  try {
    await online(entry.mesh, stop);
  } catch (error) {
    await entry.close();
    throw error;
  }
  printReady(entry.url, host);
  return { failed: new Promise<never>(() => {}), close: () => entry.close() };
}
