/** The mesh core, for browsers and Node alike. Node's own adapters: `@tabmesh/shared/node`. */
export * from './catalog/catalog.ts';
export * from './errors.ts';
export * from './identity/identity.ts';
export * from './mesh.ts';
export * from './ports/clock.ts';
export * from './ports/engine.ts';
export * from './ports/logger.ts';
export * from './ports/random.ts';
export * from './ports/signaling.ts';
export * from './ports/transport.ts';
export * from './protocol/announcement.ts';
export * from './protocol/ids.ts';
export * from './protocol/messages.ts';
export * from './protocol/signaling.ts';
export * from './routing/route.ts';
