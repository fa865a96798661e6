/** Builds the engine test page once and serves it with the embedded models, and with files that are wrong in every way. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

export interface EnginePageServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** GET requests so far for this path. */
  downloads(path: string): number;
  close(): Promise<void>;
}

type Route = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/**
 * `routes` come first; what they don't name is the page or a file of `shared/models`. `packages`: folders that stand in
 * for the installed packages of these names.
 */
export async function serveEnginePage(
  routes: Readonly<Record<string, Route>> = {},
  packages: Readonly<Record<string, string>> = {},
): Promise<EnginePageServer> {
  const outDir = await mkdtemp(join(tmpdir(), 'tabmesh-engine-page-'));
  await buildPage(outDir, packages);
  const downloads = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://host').pathname;
    if (request.method === 'GET') downloads.set(path, (downloads.get(path) ?? 0) + 1);
    // Without these two no page gets threads; the entry sends them too.
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    const route = routes[path];
    if (route !== undefined) await route(request, response);
    else await sendFile(request, response, fileFor(outDir, path));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    downloads: (path) => downloads.get(path) ?? 0,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(outDir, { recursive: true, force: true });
    },
  };
}

/** The whole of `bytes`, as a file server sends it. */
export function sendBytes(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

export const embeddedModels = fileURLToPath(new URL('../../../shared/models/', import.meta.url));

async function buildPage(outDir: string, packages: Readonly<Record<string, string>>): Promise<void> {
  await build({
    root: fileURLToPath(new URL('.', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    // The web app's own: see client/vite.config.ts.
    resolve: { alias: { 'simple-peer': 'simple-peer/simplepeer.min.js', ...packages } },
    worker: { format: 'es' },
    build: { outDir, emptyOutDir: true, target: 'esnext', minify: false, chunkSizeWarningLimit: 10_000 },
  });
}

function fileFor(outDir: string, path: string): string {
  const inside = normalize(path);
  if (inside.startsWith('/models/')) return join(embeddedModels, inside.slice('/models/'.length));
  return join(outDir, inside === '/' ? 'index.html' : inside);
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

async function sendFile(request: IncomingMessage, response: ServerResponse, file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) {
    response.writeHead(404, { 'content-type': 'text/html' });
    response.end('<html>Not found</html>');
    return;
  }
  response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
  response.setHeader('content-length', found.size);
  response.end(request.method === 'HEAD' ? undefined : await readFile(file));
}
