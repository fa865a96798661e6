/** The native peer as a library: what the command line is made of. */

export * from './home/home.ts';
export * from './home/identity-file.ts';
export * from './http-engine/connect-http-engine.ts';
export * from './http-engine/serve-http-models.ts';
export * from './llama/load-llama-engine.ts';
export * from './llama/memory-fit.ts';
export * from './llama/prompts/chat-prompt.ts';
export * from './llama/serve-models.ts';
export * from './models/download.ts';
export * from './models/file-hash.ts';
export * from './models/gguf-file.ts';
export * from './models/model-file-name.ts';
export * from './models/model-store.ts';
export * from './peer/open-entry.ts';
export * from './peer/serving.ts';
