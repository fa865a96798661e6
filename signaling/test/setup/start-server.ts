/** The HTTP app in front of a scripted mesh, on a clock that stands still. */
import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh, type ScriptStep } from './scripted-mesh.ts';

export const question = { messages: [{ role: 'user', content: 'Hi' }] };

export function startServer(script?: readonly ScriptStep[]) {
  const mesh = createScriptedMesh(script);
  const app = buildServer({ mesh, version: 'test', clock: new ManualClock(), logger: silentLogger });
  const post = (payload: object) => app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
  return { mesh, app, post };
}

/** The data of a stream's events. */
export function eventsOf(body: string): unknown[] {
  return body
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => event.replace(/^data: /, ''))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}
