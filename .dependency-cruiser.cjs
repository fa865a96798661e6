/** The directions in which imports may run (see README, 'How it is built'). */
const feature =
  '^shared/src/(catalog|connection|engine-kit|identity|measurement|membership|providing|requesting|routing)/';

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one file, or one of them needs a port.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'siblings-dont-know-each-other',
      comment: 'Only the room mesh/ imports across the feature folders; everything else meets there.',
      severity: 'error',
      from: { path: feature, pathNot: '\\.test\\.ts$' },
      to: { path: feature, pathNot: '^shared/src/$1/' },
    },
    {
      name: 'base-knows-no-feature',
      comment: 'Protocol, ports, errors and jobs are what features share, never the other way round.',
      severity: 'error',
      from: { path: '^shared/src/(protocol|ports|limits|lru-map|backoff|errors\\.ts)', pathNot: '\\.test\\.ts$' },
      to: { path: '^shared/src/', pathNot: '^shared/src/(protocol|ports|limits|lru-map|backoff|errors\\.ts)' },
    },
    {
      name: 'core-has-no-platform',
      comment: 'Node and browser APIs enter the core through ports; only transports and tests touch them.',
      severity: 'error',
      from: { path: '^shared/src/', pathNot: '^shared/src/(transports|testing)/|^shared/src/index.ts|\\.test\\.ts$' },
      to: { path: '^shared/src/(transports|testing)/', pathNot: '^shared/src/transports/.*\\.test' },
    },
    {
      name: 'core-has-no-node',
      severity: 'error',
      from: { path: '^shared/src/', pathNot: '\\.test\\.ts$|^shared/src/transports/node' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'product-has-no-tests',
      comment: 'Fakes and contract suites stay out of what ships.',
      severity: 'error',
      from: { path: '^(signaling|native-peer|client)/src/', pathNot: '^client/src/dev/' },
      to: { path: '^(tests|shared/src/testing)/' },
    },
    {
      name: 'shared-knows-no-workspace',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(signaling|client|native-peer|tests)/' },
    },
    {
      name: 'entry-rooms-have-no-circles',
      comment: 'Two rooms of the entry that need each other share a third below them, or are one.',
      severity: 'error',
      scope: 'folder',
      from: { path: '^signaling/src' },
      to: { circular: true },
    },
    {
      name: 'entry-rooms-know-no-wiring',
      comment: 'build-server.ts and entry.ts see every room; a room declares what it needs as an interface of its own.',
      severity: 'error',
      from: { path: '^signaling/src/[^/]+/' },
      to: { path: '^signaling/src/[^/]+$' },
    },
    {
      name: 'entry-inner-rooms-know-no-outer',
      comment: 'A folder within a room serves the room and does not know its files.',
      severity: 'error',
      from: { path: '^signaling/src/([^/]+)/[^/]+/' },
      to: { path: '^signaling/src/$1/[^/]+$' },
    },
    {
      name: 'client-knows-no-server',
      severity: 'error',
      from: { path: '^client/src/' },
      to: { path: '^(signaling|native-peer|tests)/' },
    },
    {
      name: 'entry-knows-no-native-peer',
      severity: 'error',
      from: { path: '^signaling/src/' },
      to: { path: '^(client|native-peer|tests)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules|dist)/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.svelte'],
    },
  },
};
