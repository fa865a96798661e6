/**
 * The suites. `unit` and `chromium-unit` are the same specs of the core, in Node and in a real browser; `native` runs
 * llama.cpp and WebRTC in Node, real clients of the API too; `browser` drives whole pages in Chromium.
 */
import { resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumLaunch } from './setup/chromium.mjs';

const root = resolve(import.meta.dirname, '..');

export default defineConfig({
  test: {
    projects: [
      {
        root,
        plugins: [svelte()],
        test: {
          name: 'unit',
          testTimeout: 30_000,
          include: [
            'shared/src/**/*.test.ts',
            'signaling/test/**/*.test.ts',
            'client/test/**/*.test.ts',
            'tests/wire/*.test.ts',
            'tests/platforms/*.test.ts',
            'tests/examples/*-engine.test.ts',
          ],
        },
      },
      {
        root,
        test: {
          name: 'native',
          include: [
            'native-peer/test/**/*.test.ts',
            'tests/native/**/*.test.ts',
            'tests/clients/**/*.test.ts',
            'tests/examples/walk.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // llama.cpp and two cores: one file at a time.
          fileParallelism: false,
        },
      },
      {
        root,
        resolve: {
          alias: [
            {
              find: /^simple-peer$/,
              replacement: 'simple-peer/simplepeer.min.js',
            },
          ],
        },
        optimizeDeps: {
          include: ['fast-check', 'zod', 'simple-peer/simplepeer.min.js', 'socket.io-client'],
        },
        test: {
          name: 'chromium-unit',
          testTimeout: 30_000,
          include: ['shared/src/**/*.test.ts'],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: chromiumLaunch(),
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        root,
        test: {
          name: 'browser',
          include: ['tests/browser/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
