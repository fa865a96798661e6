/** What tells that a name is this machine's own, and that a request comes from it and not from a proxy on it. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** By its whole name, by the first part, and by that in the LAN. */
export function isMachineName(name: string, machineName: string): boolean {
  const own = machineName.toLowerCase();
  const [label = ''] = own.split('.');
  return label !== '' && [own, label, `${label}.local`].includes(name);
}

/** Browsers keep the whole domain on the machine that they run on, and nobody can register a name in it. */
export function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** Proxies tell of themselves as a rule; who lies about it only harms itself. */
export function cameThroughProxy(headers: Readonly<Record<string, unknown>>): boolean {
  return PROXY_HEADERS.some((header) => headers[header] !== undefined);
}

/** An address of a socket without the marks of IPv6: `192.0.2.1` of `::ffff:192.0.2.1`, `fe80::1` of `fe80::1%eth0`. */
export function plainAddress(address: string): string {
  const [plain = ''] = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%');
  return plain;
}

export class Networks {
  readonly #list = new BlockList();

  constructor(...subnets: readonly (readonly [string, number])[]) {
    for (const [net, prefix] of subnets) this.#list.addSubnet(net, prefix, isIPv4(net) ? 'ipv4' : 'ipv6');
  }

  /** @param address as a socket has it */
  has(address: string): boolean {
    const plain = plainAddress(address);
    if (isIPv4(plain)) return this.#list.check(plain, 'ipv4');
    return isIPv6(plain) && this.#list.check(plain, 'ipv6');
  }
}

export const LOOPBACK = new Networks(['127.0.0.0', 8], ['::1', 128]);

const PROXY_HEADERS = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];
