/** In place of `glob`, which @fastify/static takes for a way of listing files that the entry does not use. */
export function glob(): never {
  throw new Error('Lists of files are not compiled in: leave `wildcard` of @fastify/static as it is.');
}
