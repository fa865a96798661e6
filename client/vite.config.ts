import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, loadEnv } from 'vite';
import { licences } from './build/licences.ts';
import { precompress } from './build/precompress.ts';

/** Threads in WebAssembly need a cross-origin isolated page; the entry sends the same two headers. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig(({ mode }) => {
  const entry = loadEnv(mode, import.meta.dirname, 'TABMESH_').TABMESH_ENTRY ?? 'http://127.0.0.1:8080';
  const licenceTexts = licences();
  return {
    root: import.meta.dirname,
    define: { 'import.meta.env.TABMESH_ENTRY': JSON.stringify(entry) },
    plugins: [svelte(), licenceTexts.write(), precompress()],
    resolve: {
      // The package's main file needs Node's globals; its own browser build does not.
      alias: [{ find: /^simple-peer$/, replacement: 'simple-peer/simplepeer.min.js' }],
    },
    worker: { format: 'es', plugins: () => [licenceTexts.collect()] },
    build: {
      // The first versions with `light-dark()`, which the colour tokens are written in.
      target: ['chrome123', 'firefox121', 'safari17.5'],
      // All of them load `modulepreload` links themselves.
      modulePreload: { polyfill: false },
      // The engines are megabytes by nature and load on demand.
      chunkSizeWarningLimit: 8_000,
    },
    server: {
      headers: isolation,
      proxy: {
        '/v1': entry,
        '/api': entry,
        '/models': entry,
      },
    },
    preview: { headers: isolation },
  };
});
