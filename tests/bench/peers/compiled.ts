/** What users run, compiled when it is not fresh: tsx, which runs the benchmarks, costs an entry 5 to 14 % of its time. */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as member from '../../../native-peer/src/member-index.ts';
import { ensureNodeBuilt } from '../../../shared/setup/build-node.mjs';

const root = resolve(import.meta.dirname, '../../..');
await ensureNodeBuilt(root);

export const compiled: typeof member = await import(pathToFileURL(join(root, 'native-peer/dist/member.js')).href);
