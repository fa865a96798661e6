/** The entry of a mesh: `startEntry` runs one, `buildServer` and `createHub` are its halves. */
export * from './access/access-settings.ts';
export * from './build-server.ts';
export * from './entry.ts';
export * from './fallback/budget-file.ts';
export * from './fallback/fallback-settings.ts';
export * from './hub/hub.ts';
export * from './limits/limits.ts';
