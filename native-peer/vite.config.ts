/** Compiles the `tabmesh` command: for Node, everything in it but what comes as machine code. */
import { join } from 'node:path';
import { defineConfig } from 'vite';
import { licences } from '../client/build/licences.ts';
import { libraryInPlace } from './build/library-in-place.ts';
import { oneByteCharacters } from './build/one-byte-characters.ts';

/** Machine code, and what chooses it. */
const APART = ['node-datachannel', 'libsql', /^@node-llama-cpp\//, /^@reflink\//];

export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  plugins: [licences().write(), libraryInPlace('node-llama-cpp'), oneByteCharacters()],
  resolve: { alias: [{ find: /^glob$/, replacement: join(import.meta.dirname, 'build/no-glob.ts') }] },
  ssr: { noExternal: true },
  build: {
    ssr: true,
    // The oldest Node that package.json promises.
    target: 'node20.19',
    sourcemap: true,
    // Into a folder that is new for every build.
    emptyOutDir: false,
    rolldownOptions: {
      external: APART,
      input: {
        cli: 'src/cli/cli.ts',
        'prompt-process': 'src/llama/prompts/prompt-process-main.ts',
        index: 'src/package-index.ts',
        member: 'src/member-index.ts',
      },
      output: {
        chunkFileNames: 'parts/[name]-[hash].js',
        comments: false,
      },
    },
  },
});
