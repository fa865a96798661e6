/** An entry that other machines can reach lets everybody in, so it takes an explicit word to open one. */
import { isIPv4 } from 'node:net';
import { MeshError } from '@tabmesh/shared';

/** @throws MeshError `unauthorized` */
export function checkBindAddress(host: string, isPublic: boolean): void {
  if (isPublic || isLoopback(host)) return;
  throw new MeshError(
    'unauthorized',
    `Listening on ${host} lets anyone who can reach this machine use and join the mesh. Add --public if you want that, or stay on 127.0.0.1.`,
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
