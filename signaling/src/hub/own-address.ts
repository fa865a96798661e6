/**
 * Whether the address that a joiner dialled leads to this entry. An entry that passes a challenge on to its own visitor
 * can make up every header, but neither the end of its TCP connection here nor what its visitor dialled and signed. So an
 * address counts when the connection ends at it, and a name when it is this machine's own or the operator's word; both
 * with the port that the connection came to, which tells two entries of one machine apart. Behind a proxy, a tunnel or a
 * NAT a connection ends elsewhere than its caller thinks, and only the operator knows what leads here.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import {
  cameThroughProxy,
  isLocalhost,
  isMachineName,
  LOOPBACK,
  Networks,
  plainAddress,
} from '../access/this-machine.ts';

/** What of a request shows where it came in. */
export interface Arrival {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: {
    readonly localAddress?: string | undefined;
    readonly localPort?: number | undefined;
    readonly remoteAddress?: string | undefined;
  };
}

/**
 * @param named host and port as in `location.host`
 * @param configured names and addresses without ports
 */
export function isOwnAddress(
  named: string,
  arrival: Arrival,
  configured: readonly string[],
  machine = hostname,
): boolean {
  const parsed = URL.canParse(`http://${named}`) ? new URL(`http://${named}`) : undefined;
  if (parsed === undefined) return false;
  const host = parsed.hostname.replace(/\.$/, '');
  if (configured.includes(host)) return true;
  const { localAddress = '', localPort, remoteAddress = '' } = arrival.socket;
  if (cameThroughProxy(arrival.headers) || !isPort(named, localPort)) return false;
  if (isLocalhost(host)) return LOOPBACK.has(localAddress);
  if (isAddress(host)) {
    // Other networks have such addresses too, and an entry there may choose the one of this machine.
    return host === hostOf(localAddress) && (!INSIDE.has(localAddress) || INSIDE.has(remoteAddress));
  }
  return isMachineName(host, machine());
}

/** A default port is not named; whether the caller came by http or https is not known here. */
function isPort(named: string, port: number | undefined): boolean {
  const said = /:(\d+)$/.exec(named)?.[1];
  return said === undefined ? port === 80 || port === 443 : Number(said) === port;
}

function isAddress(host: string): boolean {
  return host.startsWith('[') || isIPv4(host);
}

/** As it stands in an address of the web. */
function hostOf(address: string): string {
  const plain = plainAddress(address);
  return isIPv6(plain) ? new URL(`http://[${plain}]`).hostname : plain;
}

/** Private, shared and link-local ones (RFC 1918, 6598, 3927, 4193, 4291), and this machine itself. */
const INSIDE = new Networks(
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
);
