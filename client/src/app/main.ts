/**
 * Puts the page on the screen at once and brings the mesh up behind it. The only file that knows which adapters run.
 */
import { mount } from 'svelte';
import '../styles/tokens.css';
import '../styles/base.css';
import { type Mesh, randomHexId, systemClock, systemRandom } from '@tabmesh/shared';
import { ActiveAnswers } from '../chat/active-answers.svelte.ts';
import type { ConversationStorage } from '../conversations/conversation-storage.ts';
import { ConversationStore } from '../conversations/conversation-store.ts';
import { createDrafts } from '../conversations/drafts.ts';
import { type ConversationDatabase, createIndexedDbStorage } from '../conversations/indexed-db-storage.ts';
import { createMemoryStorage } from '../conversations/memory-storage.ts';
import { createOtherTabs } from '../conversations/other-tabs.ts';
import { Contribution, type Engines } from '../lend/contribution.svelte.ts';
import { watchTab } from '../lend/lifecycle-page.ts';
import { createSpeedStore } from '../lend/speed-store.ts';
import { MeshState } from '../mesh/mesh-state.svelte.ts';
import { createRouter } from '../navigation/router.svelte.ts';
import { Conversations } from '../open-conversations/conversations.svelte.ts';
import { Preferences } from '../settings/preferences.svelte.ts';
import type { AppParts } from './app-parts.ts';
import AppShell from './app-shell.svelte';
import { type Database, openDatabase } from './database.ts';

const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no element #app.');
const parts = createParts();
mount(AppShell, { target, props: { parts } });

// Leaving is announced, so that jobs move before the heartbeat notices. A page that comes back from the browser's
// back-forward cache has left the mesh: it starts anew.
window.addEventListener('pagehide', () => {
  parts.answers.close();
  parts.contribution.close();
  parts.mesh.close();
});
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

function createParts(): AppParts {
  const clock = systemClock;
  const newId = () => randomHexId(systemRandom);
  const now = () => new Date(clock.wallMs());
  const database = openDatabase().catch(() => undefined);
  const demo = import.meta.env.DEV && new URLSearchParams(location.search).has('demo');

  const preferences = new Preferences();
  const drafts = createDrafts(localStorageOrNothing());
  const mesh = new MeshState(demo ? demoMesh() : realMesh(database), clock);
  const conversations = new Conversations({
    store: new ConversationStore({ storage: database.then(storageOn), tabs: createOtherTabs(), clock }),
    newId,
    now,
    onRemove(id) {
      answers.stop(id);
      drafts.write(id, '');
    },
  });
  const answers = new ActiveAnswers({
    mesh,
    conversations,
    clock,
    frames: {
      request: (callback) => requestAnimationFrame(callback),
      cancel: (frame) => cancelAnimationFrame(frame),
    },
    newId,
    now,
    chosenModel: () => preferences.model,
  });
  const contribution = new Contribution({
    mesh,
    clock,
    random: systemRandom,
    lifecycle: watchTab(window),
    preferences,
    loadEngines: demo ? demoEngines : realEngines,
    entryUrl: location.origin,
    async collectBaseline(engine, joined, onBaseline) {
      const { collectBaseline } = await import('../mesh/collect-baseline.ts');
      return collectBaseline(engine, joined, await database, onBaseline);
    },
    speedStore: createSpeedStore(localStorageOrNothing()),
  });
  return {
    router: createRouter(),
    mesh,
    conversations,
    answers,
    contribution,
    preferences,
    drafts,
  };
}

function storageOn(database: Database | undefined): ConversationStorage {
  if (database === undefined) return createMemoryStorage();
  // It has these stores and more, which the types of idb take for another kind of database.
  return createIndexedDbStorage(database as unknown as ConversationDatabase);
}

async function realMesh(database: Promise<Database | undefined>): Promise<Mesh> {
  const { createBrowserMesh } = await import('../mesh/browser-mesh.ts');
  // A join names the address that was dialled, and Vite's is none of the entry's.
  const { TABMESH_ENTRY } = import.meta.env;
  return createBrowserMesh(await database, import.meta.env.DEV ? String(TABMESH_ENTRY) : location.origin);
}

/** With the rest of what lending needs: the entry may be gone by the time a model has come. */
async function realEngines(): Promise<Engines> {
  const [engines] = await Promise.all([import('../engines/index.ts'), import('../mesh/collect-baseline.ts')]);
  return engines;
}

async function demoMesh(): Promise<Mesh> {
  const { createScriptedMesh } = await import('../dev/scripted-mesh.ts');
  return createScriptedMesh(new URLSearchParams(location.search));
}

async function demoEngines(): Promise<Engines> {
  const { scriptedEngines } = await import('../dev/scripted-engines.ts');
  return scriptedEngines;
}

/** Reading the property itself throws where site data is blocked. */
function localStorageOrNothing(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
