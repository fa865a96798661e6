/** Where an entry listens: what has to be said explicitly, and what is wrong with an address that can't be had. */
import { MeshError } from '@tabmesh/shared';
import { isLoopback } from './lan-urls.ts';

/**
 * An entry that other machines can reach lets everybody in, so it takes an explicit word to open one.
 * @throws MeshError `invalid_request`
 */
export function checkBindAddress(host: string, isPublic: boolean): void {
  if (isPublic || isLoopback(host)) return;
  throw new MeshError(
    'invalid_request',
    `Listening on ${host} lets anyone who can reach this machine use and join the mesh. Add --public if you want that, or stay on 127.0.0.1.`,
  );
}

/** What can be done about it, for an error of listening; other errors as they are. */
export function explainBind(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const reason = reasonOf(String(code), host, port);
  return reason === undefined ? error : new MeshError('invalid_request', reason, { cause: error });
}

function reasonOf(code: string, host: string, port: number): string | undefined {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `--host ${host} is no address and no known name. Give an address of this machine, or 0.0.0.0 for all of them; the port has a flag of its own, --port.`;
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return `${host} is no address of this machine. Give one of its own, or 0.0.0.0 for all of them.`;
    case 'EAFNOSUPPORT':
      return `This machine has no IPv6, which --host ${host} needs. Give 0.0.0.0 instead.`;
    case 'EACCES':
      return `This user may not listen on port ${port}. Choose one above 1023.`;
  }
  return undefined;
}
