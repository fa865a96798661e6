/**
 * By which names this entry may be called. A page of a site whose name was made to lead to this machine (DNS rebinding)
 * is of one origin with the entry for its visitor's browser, so nothing but the name tells it from the entry's own pages.
 * Addresses are at home, since such a page has a name; so are names that no stranger can make lead here.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { isLocalhost, isMachineName } from './this-machine.ts';

export class AllowedHosts {
  readonly #configured: ReadonlySet<string>;
  readonly #machineName: () => string;
  /** The last one that was at home: mostly all requests bring the same. */
  #known = 'localhost';

  /** @param machineName asked for again for each unknown name: a laptop may change its own with the network */
  constructor(configured: readonly string[], machineName: () => string = hostname) {
    this.#configured = new Set(configured);
    this.#machineName = machineName;
  }

  /** @param host the text of a header: a name or an address, and perhaps a port */
  has(host: string): boolean {
    if (host === this.#known) return true;
    const name = hostNameIn(host);
    if (name === undefined || !this.#isAtHome(name)) return false;
    this.#known = host;
    return true;
  }

  /** Whether the operator named it. */
  isConfigured(name: string): boolean {
    return this.#configured.has(name);
  }

  #isAtHome(name: string): boolean {
    if (isAddress(name) || this.#configured.has(name)) return true;
    return isLocalhost(name) || isMachineName(name, this.#machineName());
  }
}

/** In small letters, without the port and without the dot at the end; undefined for what no host is written like. */
export function hostNameIn(host: string): string | undefined {
  const name = /^(\[[\da-f:.]+\]|[\w.-]+?)\.?(?::\d{0,5})?$/i.exec(host)?.[1];
  return name?.toLowerCase();
}

/** `127.evil.example` is none, and only whole addresses are: browsers write `127.1` out before they send it. */
function isAddress(name: string): boolean {
  return name.startsWith('[') ? isIPv6(name.slice(1, -1)) : isIPv4(name);
}
