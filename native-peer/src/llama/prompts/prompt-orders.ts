/** What a peer and its prompt process say to each other. Both are this program, so nothing is checked. */
import type { ChatMessage, MeshErrorCode, MeshErrorDetails } from '@tabmesh/shared';
import type { Thinking } from '@tabmesh/shared/chat-template';

/** The process reads the vocabulary of the file alone. */
export interface PromptProcessSetup {
  readonly file: string;
  readonly chatTemplate: string;
  readonly contextTokens: number;
}

export type PromptOrder =
  | {
      readonly kind: 'chat';
      readonly messages: readonly ChatMessage[];
      readonly beginning: string;
      readonly thinking: Thinking;
    }
  | { readonly kind: 'plain'; readonly texts: readonly string[] };

export type PromptReply =
  | { readonly type: 'ready' }
  | { readonly type: 'read'; readonly tokens: readonly Uint32Array[] }
  | {
      readonly type: 'refused';
      readonly code: MeshErrorCode;
      readonly message: string;
      readonly retryable: boolean;
      readonly details: MeshErrorDetails;
    };
