/**
 * What the operator says about who may call this entry, read from texts: keys, requests a minute, the pages of other sites
 * that may, names of the entry, and the proxies in front of it. Without them everyone who reaches the entry by an address or
 * by this machine's own name may, and no page of another site.
 */
import proxyAddress from '@fastify/proxy-addr';
import { MeshError } from '@tabmesh/shared';
import { DEFAULT_REQUESTS_PER_MINUTE, MAX_REQUESTS_PER_MINUTE } from '../limits/limits.ts';
import { type KeyRing, readKeys } from './api-keys.ts';
import type { CallerSettings, TrustsProxy } from './callers.ts';

export interface AccessTexts {
  /** `alice:key,bob:key,…` */
  readonly keys?: string | undefined;
  readonly limit?: string | undefined;
  /** `https://app.example,…` or `*`. */
  readonly origins?: string | undefined;
  /** `mesh.example.org,…` */
  readonly hosts?: string | undefined;
  /** `127.0.0.1,10.0.0.0/8,loopback,…` */
  readonly proxies?: string | undefined;
}

export interface AccessSettings extends CallerSettings {
  /** Undefined: no key is asked for. */
  readonly keys: KeyRing | undefined;
  /** Of each key. */
  readonly requestsPerMinute: number;
  readonly origins: readonly string[] | '*';
}

/** @throws MeshError `invalid_request` that names the variable that is wrong; a key is never quoted */
export function accessSettings(texts: AccessTexts): AccessSettings {
  const { keys = '', limit = '', origins = '', hosts = '', proxies = '' } = texts;
  return {
    keys: readKeys(keys),
    requestsPerMinute: readLimit(limit),
    origins: readOrigins(origins),
    hosts: partsOf(hosts).map(readHost),
    trustsProxy: readProxies(partsOf(proxies)),
  };
}

function readLimit(text: string): number {
  if (text === '') return DEFAULT_REQUESTS_PER_MINUTE;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= MAX_REQUESTS_PER_MINUTE) return limit;
  throw wrong(
    `TABMESH_API_KEY_LIMIT is '${text}'. Give the requests a minute of each key, from 1 to ${MAX_REQUESTS_PER_MINUTE}.`,
  );
}

function readOrigins(text: string): readonly string[] | '*' {
  // A browser's origin has no slash at its end, but an address that is copied from it has.
  const given = partsOf(text).map((part) => part.replace(/\/$/, ''));
  if (given.length === 1 && given[0] === '*') return '*';
  // Also those of desktop shells and extensions, such as tauri://localhost.
  const bad = given.find((origin) => !/^[a-z][a-z0-9+.-]*:\/\/[^\s/*?#@]+$/i.test(origin));
  if (bad === undefined) return given.map((origin) => origin.toLowerCase());
  throw wrong(
    `TABMESH_CORS_ORIGINS has '${bad}'. Give origins such as https://app.example with commas between, or * alone.`,
  );
}

/** As browsers send it: in small letters and ASCII, without a port. */
function readHost(text: string): string {
  const url = `http://${text}`;
  if (/^[^\s/*?#@\\%]+$/.test(text) && URL.canParse(url)) return new URL(url).hostname.replace(/\.$/, '');
  throw wrong(
    `--allowed-hosts (TABMESH_ALLOWED_HOSTS) has '${text}'. Give whole names such as mesh.example.org with commas between.`,
  );
}

function readProxies(addresses: readonly string[]): TrustsProxy | undefined {
  if (addresses.length === 0) return undefined;
  const bad = addresses.find((address) => !isRange(address));
  if (bad === undefined) return proxyAddress.compile([...addresses]);
  throw wrong(
    `--trusted-proxies (TABMESH_TRUSTED_PROXIES) has '${bad}'. Give addresses such as 127.0.0.1 or 10.0.0.0/8, or loopback, with commas between.`,
  );
}

function isRange(address: string): boolean {
  try {
    proxyAddress.compile(address);
    return true;
  } catch {
    return false;
  }
}

function partsOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function wrong(sentence: string): MeshError {
  return new MeshError('invalid_request', sentence);
}
