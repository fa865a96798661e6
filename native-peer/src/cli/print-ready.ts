/** The line that everybody waits for, and for an entry that others can reach the addresses that they use. */
import { isLoopback, lanUrls } from '../peer/lan-urls.ts';
import { print } from './terminal.ts';

export function printReady(url: string, host: string): void {
  print(`TabMesh ready: ${url}`);
  if (isLoopback(host)) return;
  const others = lanUrls(url, host);
  if (others.length > 0) print(`On other machines: ${others.join(' or ')}`);
  print(INSECURE);
}

/** Browsers keep these behind HTTPS; the machine itself is trusted without. */
const INSECURE =
  "  Browsers there can chat, and lend one CPU thread. Their GPU wants HTTPS or localhost: see 'Two machines' in the README.";
