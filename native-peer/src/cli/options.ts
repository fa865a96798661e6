/** Flags that several commands share: each has an environment variable, and a value that makes no sense is refused. */
import { MeshError } from '@tabmesh/shared';
import { InvalidArgumentError, Option } from 'commander';

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

export function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('Give an address such as http://127.0.0.1:8080');
  }
  return text;
}

/** Several values: the flag repeated, or one text with commas. */
export function list(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, ...text.split(',').map((part) => part.trim())].filter((part) => part !== '');
}

export const portOption = () =>
  new Option('--port <number>', 'port to listen on; 0 picks a free one (default: PORT, else 8080)')
    .env('TABMESH_PORT')
    .argParser(integer(0, 65_535));

export const hostOption = () =>
  new Option('--host <address>', 'address to listen on').env('TABMESH_HOST').default('127.0.0.1');

export const publicOption = () =>
  new Option('--public', 'allow an address that other machines can reach').env('TABMESH_PUBLIC').default(false);

export const allowedHostsOption = () =>
  new Option(
    '--allowed-hosts <names>',
    'names that lead to this entry, such as mesh.example.org, beside addresses, localhost and the name of this machine',
  )
    .env('TABMESH_ALLOWED_HOSTS')
    .argParser(list);

export const trustedProxiesOption = () =>
  new Option(
    '--trusted-proxies <addresses>',
    'proxies in front of this entry whose X-Forwarded-For and X-Forwarded-Host count: 127.0.0.1, 10.0.0.0/8, loopback, …',
  )
    .env('TABMESH_TRUSTED_PROXIES')
    .argParser(list);

export const membersPerNetworkOption = () =>
  new Option(
    '--members-per-network <number>',
    'members that may join from one address (default: 64); more for a school behind one router',
  )
    .env('TABMESH_MEMBERS_PER_NETWORK')
    .argParser(integer(1, 10_000));

export const slotsOption = () =>
  new Option('--slots <number>', 'answers that run at the same time')
    .env('TABMESH_SLOTS')
    .argParser(integer(1, 64))
    .default(4);

export const threadsOption = () =>
  new Option('--threads <number>', 'CPU threads (default: every core but one)')
    .env('TABMESH_THREADS')
    .argParser(integer(1, 1024));

export const contextOption = () =>
  new Option('--context <tokens>', 'tokens that prompt and answer share (default: the largest that fits, up to 32768)')
    .env('TABMESH_CONTEXT')
    .argParser(integer(64, 10_000_000));

export const gpuOption = () =>
  new Option('--gpu <mode>', 'use a GPU when there is one, or never')
    .env('TABMESH_GPU')
    .choices(['auto', 'off'])
    .default('auto');

export const jsonOption = () => new Option('--json', 'print JSON').env('TABMESH_JSON').default(false);

/** commander takes any value of a flag's variable for yes; these mean no. */
export function dropDisabledFlags(environment: NodeJS.ProcessEnv): void {
  for (const name of ['TABMESH_PUBLIC', 'TABMESH_JSON', 'TABMESH_NO_OPEN']) {
    if (/^(|0|no|off|false)$/i.test(environment[name] ?? '')) delete environment[name];
  }
}

const DEFAULT_PORT = 8080;

/** `PORT` is what hosting platforms set. */
export function portOr(option: number | undefined): number {
  if (option !== undefined) return option;
  const text = process.env.PORT ?? '';
  if (text === '') return DEFAULT_PORT;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new MeshError('invalid_request', `PORT is '${text}'. Give a whole number from 0 to 65535.`);
}
