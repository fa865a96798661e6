/**
 * What is known of a request before anything of it is read, for HTTP and for sockets alike: the address that it came from,
 * the names that it called this entry by, and whose page sent it. What proxies say of it in `X-Forwarded-…` counts only
 * from those that the operator named, since anybody can write these headers.
 */
import type { IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import { AllowedHosts } from './allowed-hosts.ts';

/** Whether an address is that of a proxy whose headers count. */
export type TrustsProxy = (address: string, hop: number) => boolean;

export interface CallerSettings {
  /** Names of this entry, beside those that it knows itself by. */
  readonly hosts: readonly string[];
  /** Undefined: no proxy's headers count. */
  readonly trustsProxy?: TrustsProxy | undefined;
}

export interface Callers {
  /** The client's address. */
  addressOf(request: IncomingMessage): string;
  /** A name in the request that is none of this entry's. Undefined: it is at home. */
  foreignHostOf(request: IncomingMessage): string | undefined;
  /** Whether one of this entry's pages sent the request: by its origin, which no page can change. */
  isFromOwnPage(request: IncomingMessage): boolean;
  /** Whether a program sent it, or a page of this entry, or one that this machine itself serves. */
  mayJoin(request: IncomingMessage): boolean;
}

export function createCallers({ hosts, trustsProxy }: CallerSettings, machineName?: () => string): Callers {
  const allowed = new AllowedHosts(hosts, machineName);

  const forwardedHosts = ({ headers, socket }: IncomingMessage): readonly string[] => {
    if (trustsProxy === undefined || !trustsProxy(socket.remoteAddress ?? '', 0)) return [];
    const header = String(headers['x-forwarded-host'] ?? '');
    return header === '' ? [] : header.split(',').map((host) => host.trim());
  };

  /** A page of this entry has an origin that the request itself names as its host, or that the operator named. */
  const isOwn = (origin: URL, request: IncomingMessage): boolean =>
    origin.host === request.headers.host?.toLowerCase() ||
    allowed.isConfigured(origin.hostname) ||
    forwardedHosts(request).some((host) => host.toLowerCase() === origin.host);

  const callers: Callers = {
    addressOf(request) {
      if (trustsProxy === undefined) return request.socket.remoteAddress ?? '';
      return proxyAddress(request, trustsProxy) ?? '';
    },
    foreignHostOf(request) {
      const { host } = request.headers;
      // Browsers always send one. Programs of HTTP/1.0, such as the probes of load balancers, may not.
      if (host !== undefined && !allowed.has(host)) return host;
      // 47 is a slash. A whole address instead of a path overrules the header.
      const target = request.url ?? '/';
      const named = target.charCodeAt(0) !== 47 && URL.canParse(target) ? new URL(target).host : undefined;
      if (named !== undefined && !allowed.has(named)) return named;
      return trustsProxy && forwardedHosts(request).find((name) => !allowed.has(name));
    },
    isFromOwnPage(request) {
      const { origin } = request.headers;
      // Only pages of safe places get the second header: those of an address in the LAN have the origin alone.
      const site = request.headers['sec-fetch-site'] ?? 'same-origin';
      return origin !== undefined && site === 'same-origin' && URL.canParse(origin) && isOwn(new URL(origin), request);
    },
    mayJoin(request) {
      const { origin } = request.headers;
      if (callers.foreignHostOf(request) !== undefined) return false;
      if (origin === undefined) return true;
      if (!URL.canParse(origin)) return false;
      const url = new URL(origin);
      return isOwn(url, request) || LOOPBACK_HOSTS.has(url.hostname);
    },
  };
  return callers;
}

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
