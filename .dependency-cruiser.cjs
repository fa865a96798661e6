/** The directions in which imports may run (see README, 'How it is built'). */
const feature = '^shared/src/(catalog|connection|engine-kit|identity|measurement|membership|providing|requesting|routing)/';

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
      from: { path: '^shared/src/(protocol|ports|errors\\.ts)', pathNot: '\\.test\\.ts$' },
      to: { path: '^shared/src/', pathNot: '^shared/src/(protocol|ports|errors\\.ts)' },
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
      name: 'client-knows-no-server',
      severity: 'error',
      from: { path: '^client/src/' },
      to: { path: '^(signaling|native-peer|tests)/' },
    },
    {
      name: 'native-peer-rooms-have-no-circle',
      comment: 'Two folders that need each other are one folder, or a file lies in the wrong one.',
      scope: 'folder',
      severity: 'error',
      from: { path: '^native-peer/src/' },
      to: { circular: true },
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
