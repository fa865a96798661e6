/** Started by a native peer for prompts that may take long to cut into tokens. */
import { register } from 'tsx/esm/api';

register();
const { runPromptProcess } = await import('../src/llama/prompts/prompt-process-main.ts');
await runPromptProcess();
