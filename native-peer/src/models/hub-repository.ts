/** How people name a repository of the hub. */

/** `owner/name`, with or without the quantisation that llama-server and Ollama take behind a colon. */
export interface Repository {
  readonly name: string;
  readonly quantization: string | undefined;
}

/** Undefined when the text is no such name. */
export function repositoryIn(text: string): Repository | undefined {
  const match = /^(?:(?:hf\.co|huggingface\.co)\/)?(\w[\w.-]*\/\w[\w.-]*)(?::([\w.-]+))?$/.exec(text);
  if (match?.[1] === undefined || /\.gguf$/i.test(match[1])) return undefined;
  return { name: match[1], quantization: match[2]?.toLowerCase() === 'latest' ? undefined : match[2] };
}
