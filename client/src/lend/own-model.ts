/** A model of the user's own: from what was typed to what an engine can load. */
import { ModelId } from '@tabmesh/shared';
import type { ModelSource } from '../engines/index.ts';

export type OwnModelDraft =
  | { readonly kind: 'gguf-url'; readonly url: string }
  | { readonly kind: 'gguf-file'; readonly file: File | undefined }
  | {
      readonly kind: 'mlc-record';
      readonly modelUrl: string;
      readonly modelLibUrl: string;
    };

/** What to load, or the sentence that says what is missing. */
export type OwnModel = { readonly source: ModelSource; readonly label: string } | { readonly missing: string };

export function ownModel(draft: OwnModelDraft): OwnModel {
  switch (draft.kind) {
    case 'gguf-url': {
      const url = webAddress(draft.url);
      const id = modelIdOf(draft.url);
      if (url === undefined || id === undefined) return { missing: 'Enter the address of a .gguf file.' };
      return { source: { kind: 'gguf-url', id, url }, label: id };
    }
    case 'gguf-file': {
      if (draft.file === undefined) return { missing: 'Choose a .gguf file on this device.' };
      return {
        source: { kind: 'gguf-file', file: draft.file },
        label: draft.file.name,
      };
    }
    case 'mlc-record': {
      const modelUrl = webAddress(draft.modelUrl);
      const modelLibUrl = webAddress(draft.modelLibUrl);
      const id = modelIdOf(draft.modelUrl);
      if (modelUrl === undefined || id === undefined) return { missing: "Enter the address of the model's folder." };
      if (modelLibUrl === undefined) return { missing: 'Enter the address of its model library (.wasm).' };
      return {
        source: { kind: 'mlc-record', id, modelUrl, modelLibUrl },
        label: id,
      };
    }
    default:
      return draft satisfies never;
  }
}

/** `https://host/path/Qwen3-0.6B-Q8_0.gguf?download=true` is served as `Qwen3-0.6B-Q8_0`. */
function modelIdOf(address: string): string | undefined {
  const path = webAddress(address)?.replace(/[?#].*$/, '');
  const parts = (path ?? '').split('/').filter((part) => !['', 'resolve', 'main'].includes(part));
  const name = decodeURIComponent(parts.at(-1) ?? '')
    .replace(/\.gguf$/i, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  const id = ModelId.safeParse(name);
  return id.success ? id.data : undefined;
}

function webAddress(text: string): string | undefined {
  const address = URL.parse(text.trim());
  return address !== null && /^https?:$/.test(address.protocol) ? address.href : undefined;
}
