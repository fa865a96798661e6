/** A server over a scripted mesh that counts its answers in memory. */
import { silentLogger, systemRandom } from '@tabmesh/shared';
import { ManualClock } from '@tabmesh/shared/testing';
import { buildServer } from '../../src/build-server.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { openSqliteStorage } from '../../src/ledger/sqlite-storage.ts';
import { createScriptedMesh, type ScriptStep } from './scripted-mesh.ts';

export function startWithLedger(clock = new ManualClock(), script?: readonly ScriptStep[]) {
  const mesh = createScriptedMesh(script);
  const storage = openSqliteStorage(':memory:');
  const ledger = createLedger({ storage, askedBy: mesh.peerId, clock, random: systemRandom, logger: silentLogger });
  const app = buildServer({ mesh, version: 'test', clock, logger: silentLogger, ledger });
  return {
    app,
    clock,
    ledger,
    storage,
    mesh,
    ask: (payload: object) => app.inject({ method: 'POST', url: '/v1/chat/completions', payload }),
    async close() {
      await app.close();
      await ledger.close();
    },
  };
}
