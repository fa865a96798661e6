/** Compiles the `tabmesh` command: for Node, everything in it but what comes as machine code. */
import { defineConfig } from 'vite';
import { licences } from '../client/build/licences.ts';
import { oneByteCharacters } from './build/one-byte-characters.ts';

/** Machine code, and what looks for it beside itself. */
const APART = ['node-llama-cpp', 'node-datachannel', 'libsql'];

export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  plugins: [licences().write(), oneByteCharacters()],
  ssr: { noExternal: true, external: APART },
  build: {
    ssr: true,
    // The oldest Node that package.json promises.
    target: 'node20.19',
    sourcemap: true,
    // Into a folder that is new for every build.
    emptyOutDir: false,
    rolldownOptions: {
      input: {
        cli: 'src/cli/cli.ts',
        'prompt-process': 'src/llama/prompts/prompt-process-main.ts',
        index: 'src/package-index.ts',
      },
      output: {
        chunkFileNames: 'parts/[name]-[hash].js',
        comments: false,
      },
    },
  },
});
