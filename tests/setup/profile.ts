/** Chromium profiles: each has its own storage, keys and engine, as another person's browser would. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { chromiumLaunch } from './chromium.mjs';

export interface Profile extends AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the pages complained of: uncaught errors and console errors. */
  readonly complaints: string[];
}

export async function openProfile(
  options: { readonly flags?: readonly string[]; readonly width?: number } = {},
): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'tabmesh-profile-'));
  const context = await chromium.launchPersistentContext(folder, {
    ...chromiumLaunch(...(options.flags ?? [])),
    viewport: { width: options.width ?? 1280, height: 800 },
  });
  const complaints: string[] = [];
  context.on('weberror', (error) => complaints.push(String(error.error())));
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await context.addInitScript(rememberPeerConnections);
  const page = context.pages()[0] ?? (await context.newPage());
  return {
    context,
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Messages that came over all data channels of the page. */
export function messagesOverDataChannels(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const { peerConnections } = window as unknown as { peerConnections: RTCPeerConnection[] };
    let count = 0;
    for (const connection of peerConnections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === 'data-channel') count += report.messagesReceived as number;
      }
    }
    return count;
  });
}

function rememberPeerConnections(): void {
  const Native = window.RTCPeerConnection;
  const peerConnections: RTCPeerConnection[] = [];
  Object.assign(window, { peerConnections });
  window.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      peerConnections.push(this);
    }
  };
}
