/** One run of Vite, which says itself what is wrong with a source. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Whether it went well. What it prints goes to stderr: whoever asked for JSON reads stdout. */
export function runVite(root, workspace, args) {
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const { status } = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'error', ...args], {
    cwd: join(root, workspace),
    stdio: ['ignore', 2, 2],
    // Vite takes another mode from a NODE_ENV that somebody exported.
    env: { ...process.env, NODE_ENV: 'production' },
  });
  return status === 0;
}
