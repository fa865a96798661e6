/** The HTTP app in front of a scripted mesh, listening, with OpenAI's own client at it. */
import type { AddressInfo } from 'node:net';
import { silentLogger, systemClock } from '@tabmesh/shared';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh, type ScriptStep } from './scripted-mesh.ts';

/** Closed when the test ends. */
export async function startListening(script?: readonly ScriptStep[]) {
  const mesh = createScriptedMesh(script);
  const app = buildServer({ mesh, version: 'test', clock: systemClock, logger: silentLogger });
  onTestFinished(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return { mesh, url, openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }) };
}
