/** Started by a native peer for prompts that may take long to cut into tokens. */
import { compiled } from './compiled.js';

const { runPromptProcess } = await import(await compiled('prompt-process.js'));
await runPromptProcess();
