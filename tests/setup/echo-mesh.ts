/** An entry, peers that echo at a pace the test decides, and a browser that has opened nothing yet. */
import type { Mesh } from '@tabmesh/shared';
import type { Entry } from '@tabmesh/signaling';
import { openProfile, type Profile } from './profile.ts';
import { createEchoEngine, startMember, startTestEntry, untilMesh } from './test-mesh.ts';

export interface EchoMesh extends AsyncDisposable {
  readonly entry: Entry;
  /** In the order of the models. */
  readonly members: readonly Mesh[];
  readonly profile: Profile;
}

/** @param paces milliseconds from token to token, by model */
export async function openEchoMesh(paces: Readonly<Record<string, number>>): Promise<EchoMesh> {
  const entry = await startTestEntry();
  const members = Object.entries(paces).map(([model, ms]) => startMember(entry.url, createEchoEngine(model, ms)));
  await untilMesh(entry.mesh, () => entry.mesh.models().length === members.length);
  const profile = await openProfile();
  return {
    entry,
    members,
    profile,
    async [Symbol.asyncDispose]() {
      await profile[Symbol.asyncDispose]();
      for (const member of members) await member.close();
      await entry.close();
    },
  };
}
