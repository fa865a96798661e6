/** Shows the page to a person who sits at this machine; to nobody else, and never with an error. */
import { spawn } from 'node:child_process';

/** Whether there is somebody to show a browser to. */
export function hasScreen(environment: NodeJS.ProcessEnv, isTerminal: boolean, platform = process.platform): boolean {
  if (!isTerminal || (environment.CI ?? '') !== '') return false;
  if (platform !== 'linux') return true;
  return (environment.DISPLAY ?? '') !== '' || (environment.WAYLAND_DISPLAY ?? '') !== '';
}

export function openBrowser(url: string): void {
  const [command, args] =
    process.platform === 'darwin'
      ? ['open', [url]]
      : process.platform === 'win32'
        ? ['cmd', ['/c', 'start', '', url]]
        : ['xdg-open', [url]];
  const child = spawn(command, args, { detached: true, stdio: 'ignore' });
  // The address is on the screen already.
  child.once('error', () => {});
  child.unref();
}
