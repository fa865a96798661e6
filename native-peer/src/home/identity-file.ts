/**
 * The peer's key on disk. A key joins a mesh once, so every running process of one home has a key of its own: the first
 * takes `identity.json`, the second `identity-2.json`, and each comes back with the same key next time.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createIdentity, type Identity, identityFromSecretKey, MeshError, type Random } from '@tabmesh/shared';
import { MOST_IDENTITIES } from '../limits.ts';
import { takeProcessLock } from './process-lock.ts';

export interface OpenedIdentity {
  readonly identity: Identity;
  readonly file: string;
  /** Lets another process have the key. Idempotent. */
  close(): Promise<void>;
}

/**
 * @param name of the file: `identity` for peers, another one for entries.
 * @throws MeshError `invalid_request` when the file was changed by hand.
 */
export async function openIdentity(homePath: string, name: string, random: Random): Promise<OpenedIdentity> {
  for (let number = 1; number <= MOST_IDENTITIES; number += 1) {
    const file = join(homePath, number === 1 ? `${name}.json` : `${name}-${number}.json`);
    const lock = await takeProcessLock(`${file}.lock`);
    if (lock === undefined) continue;
    try {
      const identity = (await readKey(file)) ?? (await createKey(file, random));
      return { identity, file, close: () => lock.release() };
    } catch (error) {
      await lock.release();
      throw error;
    }
  }
  throw new MeshError(
    'invalid_request',
    `${MOST_IDENTITIES} peers are running from ${homePath} already. Stop some, or give this one another TABMESH_HOME.`,
  );
}

async function readKey(file: string): Promise<Identity | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { secretKey }: { secretKey?: unknown } = JSON.parse(text);
    if (typeof secretKey !== 'string' || !/^[0-9a-f]{64}$/.test(secretKey)) throw new Error('no key');
    return identityFromSecretKey(Buffer.from(secretKey, 'hex'));
  } catch (cause) {
    throw new MeshError('invalid_request', `${file} holds no key. Delete it to get a new one.`, { cause });
  }
}

/** Written aside and renamed: a crash never leaves half a key. Readable by its owner only. */
async function createKey(file: string, random: Random): Promise<Identity> {
  const identity = createIdentity(random);
  const record = { peerId: identity.peerId, secretKey: Buffer.from(identity.secretKey).toString('hex') };
  await writeFile(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return identity;
}
