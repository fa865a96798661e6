/**
 * A lock file that belongs to one process. Node has no file locks that a dying process gives back, so the file names its
 * owner, and a lock whose owner is gone may be taken over.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';

export interface ProcessLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/** Undefined while another owner lives. */
export async function takeProcessLock(path: string): Promise<ProcessLock | undefined> {
  const owner = `${process.pid} ${performance.timeOrigin} ${randomUUID()}`;
  // Twice: once more after a dead owner's lock was moved away.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    if (await create(path, owner)) return { release: () => release(path, owner) };
    const held = await readOrEmpty(path);
    if (held !== '' && isAlive(held)) return undefined;
    await moveAway(path, held);
  }
  return undefined;
}

async function create(path: string, owner: string): Promise<boolean> {
  try {
    await writeFile(path, owner, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function release(path: string, owner: string): Promise<void> {
  if ((await readOrEmpty(path)) === owner) await rm(path, { force: true });
}

/** Only one of several processes that see a dead lock gets to move it; one that moved a fresh lock puts it back. */
async function moveAway(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  if ((await readOrEmpty(aside)) !== dead) await rename(aside, path);
  else await rm(aside, { force: true });
}

/** A process id alone may have been given to another program; containers even give the same one at every start. */
function isAlive(owner: string): boolean {
  const [pid, startedAt] = owner.split(' ').map(Number);
  if (pid === undefined || !Number.isInteger(pid)) return false;
  if (pid === process.pid) return startedAt === performance.timeOrigin;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, 'EPERM');
  }
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return '';
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
