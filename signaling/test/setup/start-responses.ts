/** Requests to `/v1/responses` in front of a scripted mesh. */
import { expect } from 'vitest';
import type { ScriptStep } from './scripted-mesh.ts';
import { startServer } from './start-server.ts';

export function startResponses(script?: readonly ScriptStep[]) {
  const { mesh, app } = startServer(script);
  const post = (payload: object) => app.inject({ method: 'POST', url: '/v1/responses', payload });
  return { mesh, post };
}

export const weather = {
  type: 'function',
  name: 'weather',
  description: 'Tells the weather.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: true,
};

/** As a model writes it. */
export const call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>';

export type Event = Readonly<Record<string, unknown>> & { readonly type: string };

/** Each event's name is its type. */
export function eventsOf(body: string): Event[] {
  return body
    .split('\n\n')
    .filter((event) => event !== '')
    .map((event) => {
      const [, name, data = ''] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? [];
      const parsed: Event = JSON.parse(data);
      expect(parsed.type).toBe(name);
      return parsed;
    });
}
