/** The web app's pages, which the app names once and the entry that serves them once more. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@tabmesh/shared';
import { buildServer } from '@tabmesh/signaling';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PAGE_NAMES, parseRoute } from '../../client/src/navigation/route.ts';
import { createScriptedMesh } from '../../signaling/test/setup/scripted-mesh.ts';

let webRoot = '';
beforeAll(async () => {
  webRoot = await mkdtemp(join(tmpdir(), 'tabmesh-pages-'));
  await writeFile(join(webRoot, 'index.html'), '<h1>TabMesh</h1>');
});
afterAll(() => rm(webRoot, { recursive: true }));

it.each(PAGE_NAMES)('AP16: an entry serves the app at the address of its page %s', async (name) => {
  expect(parseRoute(`/${name}`)).toEqual({ page: name });
  const mesh = createScriptedMesh();
  const app = buildServer({ mesh, version: 'test', clock: systemClock, logger: silentLogger, webRoot });
  const { statusCode, body } = await app.inject(`/${name}`);
  await app.close();
  expect({ statusCode, body }).toEqual({ statusCode: 200, body: '<h1>TabMesh</h1>' });
});
