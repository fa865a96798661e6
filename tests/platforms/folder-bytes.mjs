import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What the files of a folder hold, all levels; links count for nothing. */
export function folderBytes(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, found) => {
    const path = join(folder, found.name);
    if (found.isDirectory()) return sum + folderBytes(path);
    return found.isFile() ? sum + statSync(path).size : sum;
  }, 0);
}
