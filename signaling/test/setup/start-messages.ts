/** Anthropic's API in front of a scripted mesh. */

import { silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { accessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh, type ScriptStep } from './scripted-mesh.ts';

export const asked = { model: 'mesh-tiny', max_tokens: 64, messages: [{ role: 'user', content: 'Hi' }] };

export function startMessages(script?: readonly ScriptStep[], texts: Parameters<typeof accessSettings>[0] = {}) {
  const mesh = createScriptedMesh(script);
  const access = accessSettings(texts);
  const app = buildServer({ mesh, access, version: 'test', clock: new ManualClock(), logger: silentLogger });
  const post = (payload: object, headers = {}, path = '') =>
    app.inject({ method: 'POST', url: `/v1/messages${path}`, payload, headers });
  return { mesh, app, post };
}

/** Of a stream: each event's data, once its name was seen to be its type. */
export function messageEvents(body: string): Record<string, unknown>[] {
  return body
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => {
      const [, name, data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
      const parsed = JSON.parse(data);
      if (parsed.type !== name) throw new Error(`The event ${name} is a ${parsed.type}.`);
      return parsed;
    });
}
