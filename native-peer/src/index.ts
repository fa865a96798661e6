/** The native peer as a library: what the command line is made of. */
export * from './chat-prompt.ts';
export * from './download.ts';
export * from './file-hash.ts';
export * from './gguf-file.ts';
export * from './home.ts';
export * from './http-engine/connect-http-engine.ts';
export * from './http-engine/serve-http-models.ts';
export * from './identity-file.ts';
export * from './load-llama-engine.ts';
export * from './memory-fit.ts';
export * from './model-file-name.ts';
export * from './model-store.ts';
export * from './open-entry.ts';
export * from './serve-models.ts';
export * from './serving.ts';
