/** Requests of several clients to `/v1/responses` on a clock that is turned by hand; each answer is a job of its own. */
import { JobId, silentLogger } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { accessSettings } from '../../src/access/access-settings.ts';
import { buildServer } from '../../src/build-server.ts';
import { createScriptedMesh, type ScriptStep } from './scripted-mesh.ts';

const KEYS = { alice: 'alice-k9x8w7v6u5t4s3r2', bob: 'bob-k9x8w7v6u5t4s3r2' };

export function startKeptResponses(script?: readonly ScriptStep[]) {
  const clock = new ManualClock();
  const mesh = createScriptedMesh(script);
  let jobs = 0;
  mesh.jobId = () => {
    jobs += 1;
    return JobId.parse(String(jobs).padStart(32, '0'));
  };
  const access = accessSettings({
    keys: Object.entries(KEYS)
      .map((pair) => pair.join(':'))
      .join(','),
    limit: '100000',
  });
  const app = buildServer({ mesh, version: 'test', clock, logger: silentLogger, access });
  const clientOf = (name: keyof typeof KEYS) => {
    const headers = { authorization: `Bearer ${KEYS[name]}` };
    return {
      post: (payload: object, path = '') =>
        app.inject({ method: 'POST', url: `/v1/responses${path}`, payload, headers }),
      get: (path: string) => app.inject({ url: `/v1/responses/${path}`, headers }),
      remove: (id: string) => app.inject({ method: 'DELETE', url: `/v1/responses/${id}`, headers }),
    };
  };
  return { app, clock, mesh, alice: clientOf('alice'), bob: clientOf('bob') };
}
