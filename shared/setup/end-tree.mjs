/** Ends a process and all that it has started, at once. */
import { spawnSync } from 'node:child_process';

/** On POSIX the process must lead a group, which `detached` makes it do. */
export function endTree(pid, { platform = process.platform, run = spawnSync, kill = process.kill } = {}) {
  if (platform === 'win32') {
    // Windows has no process groups: taskkill walks from parent to child.
    run('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore' });
    return;
  }
  kill(-pid, 'SIGKILL');
}
