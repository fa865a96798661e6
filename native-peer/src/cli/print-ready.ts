/** The line that everybody waits for, and for an entry that others can reach the addresses that they use. */
import { isLoopback, lanUrls } from '../peer/lan-urls.ts';

export function printReady(url: string, host: string): void {
  console.log(`TabMesh ready: ${url}`);
  if (isLoopback(host)) return;
  const others = lanUrls(url, host);
  if (others.length > 0) console.log(`On other machines: ${others.join(' or ')}`);
  console.log(`${INSECURE}`);
}

/** Browsers keep these behind HTTPS; the machine itself is trusted without. */
const INSECURE =
  "  Browsers there can chat. To lend a GPU they want HTTPS, which a proxy in front of this port gives: README, 'Two machines'.";
