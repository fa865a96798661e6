/**
 * The built web app and the embedded models as files. Pages of the app are one file: its router reads the path.
 */
import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

export interface WebRoots {
  /** The built web app; absent or not built: `/` says how to build it. */
  readonly webRoot?: string | undefined;
  /** Its `.gguf` files are served at `/models/<file>`. */
  readonly modelRoot?: string | undefined;
}

/** `PAGE_NAMES` of the app's `client/src/navigation/route.ts`, and its conversations. */
const PAGES = ['/contribute', '/status', '/metrics', '/settings', '/chat/*'];

const NOT_BUILT = `This is a TabMesh entry, but its web app is not built.
Run 'npm start' in the repository, or 'npm run build --workspace client', then start the entry again.
The API works: GET /v1/models
`;

export async function registerWebApp(app: FastifyInstance, { webRoot, modelRoot }: WebRoots): Promise<void> {
  if (modelRoot !== undefined) {
    await app.register(fastifyStatic, {
      root: modelRoot,
      prefix: '/models/',
      decorateReply: false,
      index: false,
      // Names can be reused with other weights: browsers keep the file and ask whether it is still the same.
      cacheControl: false,
      setHeaders: (response) => void response.setHeader('cache-control', 'no-cache'),
      allowedPath: (path) => /^\/[^/]+\.gguf$/.test(path),
    });
  }
  if (webRoot === undefined || !existsSync(join(webRoot, 'index.html'))) {
    app.get('/', async (_request, reply) => reply.type('text/plain; charset=utf-8').send(NOT_BUILT));
    return;
  }
  const hashedFiles = join(webRoot, 'assets') + sep;
  await app.register(fastifyStatic, {
    root: webRoot,
    preCompressed: true,
    cacheControl: false,
    setHeaders: (response, path) => {
      // Vite puts the content's hash into the names of `assets`; everything else keeps its name across versions.
      const forever = path.startsWith(hashedFiles);
      response.setHeader('cache-control', forever ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  for (const page of PAGES) app.get(page, (_request, reply) => reply.sendFile('index.html'));
}
