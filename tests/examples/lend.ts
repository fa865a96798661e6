/** A member of a mesh in Node: joins at an entry, serves the engine there, and leaves when it is told to. */
import { createIdentity, type Engine, silentLogger, systemRandom } from '@tabmesh/shared';
import { openServing } from 'tabmesh';

export async function lend(engine: Engine, entryUrl: string, baselineFile: string): Promise<() => Promise<void>> {
  const serving = openServing({
    join: entryUrl,
    identity: createIdentity(systemRandom),
    logger: silentLogger,
    baselineFile,
    graceMs: 10_000,
    onServing: ({ model }) => console.log(`Serving ${model.id}`),
  });
  await serving.serve(engine, AbortSignal.timeout(60_000));
  return () => serving.close();
}
