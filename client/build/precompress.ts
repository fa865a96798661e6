/**
 * Writes a `.gz` beside every file that shrinks, so that an entry sends it as it is: compressing nine megabytes of
 * WebAssembly for every visitor would keep it from answering.
 */
import type { Plugin } from 'vite';

const SMALLEST_BYTES = 1_024;

export function precompress(): Plugin {
  return {
    name: 'tabmesh-precompress',
    apply: 'build',
    generateBundle: {
      order: 'post',
      async handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          const source = file.type === 'chunk' ? file.code : file.source;
          const bytes = typeof source === 'string' ? new TextEncoder().encode(source) : new Uint8Array(source);
          if (bytes.length < SMALLEST_BYTES || /\.(gz|html)$/.test(file.fileName)) continue;
          const zipped = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
          const compressed = new Uint8Array(await new Response(zipped).arrayBuffer());
          if (compressed.length < bytes.length) {
            this.emitFile({ type: 'asset', fileName: `${file.fileName}.gz`, source: compressed });
          }
        }
      },
    },
  };
}
