/**
 * No circle between folders, in any workspace. A cruise of its own without tests: those of the core lie beside what they
 * test and use the fakes of `testing`, which in turn build whole meshes.
 */
const { options } = require('./.dependency-cruiser.cjs');

module.exports = {
  forbidden: [
    {
      name: 'no-circles-of-folders',
      comment: 'Rooms that need each other are one room, or one of them needs a port.',
      severity: 'error',
      scope: 'folder',
      from: { path: '^(shared|signaling|client)/src/' },
      to: { circular: true },
    },
  ],
  options: { ...options, exclude: { path: `${options.exclude.path}|\\.test\\.ts$` } },
};
