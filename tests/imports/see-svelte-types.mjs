/**
 * Lets dependency-cruiser see every import of a Svelte file. It reads what Svelte's compiler makes of the file, and the
 * compiler drops `import type`; loaded before it by `--import`, this hands it `svelte-imports.mjs` for a compiler.
 */
import * as loader from 'node:module';

const compiler = new URL('./svelte-imports.mjs', import.meta.url).href;

function resolve(specifier, context, next) {
  const isCruiser = context.parentURL?.includes('/dependency-cruiser/') ?? false;
  return specifier === 'svelte/compiler' && isCruiser
    ? { url: compiler, shortCircuit: true }
    : next(specifier, context);
}

if (loader.registerHooks !== undefined) loader.registerHooks({ resolve });
else {
  // Before Node 22.15 hooks live in a thread of their own, which knows nothing of this one.
  const hook = `const compiler = ${JSON.stringify(compiler)};\nexport ${resolve}`;
  loader.register(`data:text/javascript,${encodeURIComponent(hook)}`);
}
