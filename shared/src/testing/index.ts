/** Fakes and contract suites: the virtual network, the manual clock, the scripted engine. */
export * from './chaos.ts';
export * from './engine-contract.ts';
export * from './link-pair.ts';
export * from './manual-clock.ts';
export * from './property-seed.ts';
export * from './scripted-engine.ts';
export * from './seeded-random.ts';
export * from './small-order-keys.ts';
export * from './stream-contract.ts';
export * from './stream-contract-host.ts';
export * from './tomorrows-member.ts';
export * from './transport-contract.ts';
export * from './virtual-mesh.ts';
export * from './virtual-network.ts';
export * from './yesterdays-member.ts';
export * from './yesterdays-wire.ts';
