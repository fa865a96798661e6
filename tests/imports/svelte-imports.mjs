/** Stands in for Svelte's compiler where only imports count: a component becomes the list of them, types and all. */
import { parse, VERSION } from 'svelte/compiler';

export { VERSION };

export function compile(source) {
  const imports = [];
  const visit = (_key, node) => {
    const target = node?.source?.raw;
    if (node?.type === 'ImportExpression') imports.push(`import(${target});`);
    else if (target !== undefined) imports.push(`import ${target};`);
    return node;
  };
  JSON.stringify(parse(source, { modern: true }), visit);
  return { js: { code: imports.join('\n') } };
}
