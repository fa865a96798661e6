/** The models that lie in the repository. */
import { fileURLToPath } from 'node:url';

const at = (path: string) => fileURLToPath(new URL(`../../shared/models/${path}`, import.meta.url));

export const MODELS = at('.');
export const TINY = at('mesh-tiny.gguf');
export const MINI = at('mesh-mini.gguf');
/** Prompts, their tokens and the greedy answers of the training framework. */
export const REFERENCE = at('verify/ref-tiny.json');
