/**
 * The Chromium that browser suites drive: the one on the machine, else Playwright's, else Debian's package.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { platform } from 'node:os';

/** Without these a headless Chromium talks to its maker's servers, which a machine without network makes it wait for. */
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const CANDIDATES = [
  process.env.TABMESH_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The path of a Chromium on this machine; undefined leaves the choice to Playwright. */
export function chromiumPath() {
  return CANDIDATES.find((path) => path !== undefined && path !== '' && existsSync(path));
}

/** Playwright's launch options for it. */
export function chromiumLaunch(...moreFlags) {
  const executablePath = chromiumPath();
  return { args: [...FLAGS, ...moreFlags], ...(executablePath === undefined ? {} : { executablePath }) };
}

/** Makes sure that there is a Chromium, installing one when there is none. */
export async function ensureChromium(root) {
  if (chromiumPath() !== undefined) return;
  const { chromium } = await import('playwright');
  if (existsSync(chromium.executablePath())) return;
  console.log('No Chromium on this machine: installing the one that Playwright brings …');
  const installed = spawnSync('npx', ['playwright', 'install', 'chromium'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (installed.status === 0 && existsSync(chromium.executablePath())) return;
  if (platform() === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log('That is not to be had here: installing the package of the distribution …');
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
    execFileSync('apt-get', ['install', '-y', '-qq', 'chromium'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (chromiumPath() !== undefined) return;
  }
  throw new Error('The browser suites need a Chromium. Install one, or set TABMESH_CHROMIUM to its path.');
}
