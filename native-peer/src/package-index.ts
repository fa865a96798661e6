/** What the packed package exports: there the core is no package of its own. */

export * from '@tabmesh/shared';
export * from './index.ts';
