/** What `--engine` takes. The only list of them. */
export const ENGINES = ['llama', 'openai', 'ollama'] as const;

export type EngineChoice = (typeof ENGINES)[number];

/** Where Ollama listens unless it is told otherwise. */
export const OLLAMA_URL = 'http://127.0.0.1:11434';
