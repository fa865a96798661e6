/** The directions in which imports may run (see README, 'How it is built'). */
const base =
  '^shared/src/(errors|limits|lru-map|backoff|pause|token-bucket|printable|told-wait)\\.ts$|^shared/src/(protocol|ports|jobs)/';
const rooms = '(catalog|connection|engine-kit|identity|measurement|membership|providing|requesting|routing)';
const test = '\\.test\\.ts$';

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
      name: 'conversations-know-no-page',
      comment: 'Conversations are kept, and one day brought into step, without Svelte and without what shows them.',
      severity: 'error',
      from: { path: '^client/src/conversations/' },
      to: { path: ['^client/src/(?!conversations/|limits\\.ts)', '\\.svelte(\\.ts)?$'] },
    },
    {
      name: 'only-mesh-crosses',
      comment: 'A room of the core knows itself and the base; whatever brings rooms together is in mesh/.',
      severity: 'error',
      from: { path: `^shared/src/${rooms}/`, pathNot: test },
      to: { path: '^shared/src/', pathNot: [base, '^shared/src/$1/'] },
    },
    {
      name: 'base-knows-no-room',
      comment: 'Protocol, ports, jobs, errors and limits are what rooms share, never the other way round.',
      severity: 'error',
      from: { path: base, pathNot: test },
      to: { path: '^shared/src/', pathNot: base },
    },
    {
      name: 'adapters-know-the-base',
      comment: 'A transport or a signaling adapter is used by the mesh; it uses nothing of it.',
      severity: 'error',
      from: { path: '^shared/src/transports/', pathNot: test },
      to: { path: '^shared/src/', pathNot: [base, '^shared/src/transports/'] },
    },
    {
      name: 'core-is-in-rooms',
      comment: 'A file of the core belongs in a room; beside them stand the index and what every room may use.',
      severity: 'error',
      from: { path: '^shared/src/[^/]+\\.ts$', pathNot: [base, '^shared/src/index\\.ts$', test] },
      to: {},
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
      name: 'entry-rooms-know-no-wiring',
      comment: 'build-server.ts and entry.ts see every room; a room declares what it needs as an interface of its own.',
      severity: 'error',
      from: { path: '^signaling/src/[^/]+/' },
      to: { path: '^signaling/src/[^/]+$' },
    },
    {
      name: 'inner-rooms-know-no-outer',
      comment: 'A folder within a room serves the room and does not know its files.',
      severity: 'error',
      from: { path: '^(signaling|client)/src/([^/]+)/[^/]+/' },
      to: { path: '^$1/src/$2/[^/]+$' },
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
  required: [
    {
      name: 'components-are-read',
      comment: 'This component only takes a type from there: the cruise no longer sees what Svelte files import.',
      severity: 'error',
      module: { path: '^client/src/lend/device-card\\.svelte$' },
      to: { path: '^client/src/lend/contribution\\.svelte\\.ts$' },
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
