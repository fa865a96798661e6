/** How other machines reach an entry. */
import { isIPv4 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

type Interfaces = NodeJS.Dict<readonly NetworkInterfaceInfo[]>;

/**
 * Of a wildcard address one for each of this machine's; of any other one itself.
 * @param url how this machine reaches the entry
 * @param host what it listens on
 */
export function lanUrls(url: string, host: string, interfaces: Interfaces = networkInterfaces()): readonly string[] {
  if (host !== '0.0.0.0' && host !== '::') return [url];
  const { port } = new URL(url);
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .filter(({ address, family }) => family === 'IPv4' || (host === '::' && !isLinkLocal(address)))
    .map(({ address, family }) => `http://${family === 'IPv4' ? address : `[${address}]`}:${port}`);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Of no use in a browser, which takes no zone in an address. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}
