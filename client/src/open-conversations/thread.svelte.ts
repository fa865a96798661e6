/**
 * One open conversation. Every message is a cell of its own, so that a token redraws one message and not the list.
 */
import type { Conversation, ConversationHead, Message } from '../conversations/conversation.ts';

export class MessageCell {
  readonly id: string;
  value: Message;

  constructor(message: Message) {
    this.id = message.id;
    this.value = $state.raw(message);
  }
}

export class Thread {
  readonly id: string;
  head = $state.raw<ConversationHead | undefined>();
  loading = $state.raw<'loading' | 'ready' | 'missing'>('loading');
  cells = $state.raw<readonly MessageCell[]>([]);
  /** Another tab of this browser is writing an answer here. */
  answeredElsewhere = $state.raw(false);
  /** Where its reader was when another page was opened; undefined: at the end. Nothing is drawn from it. */
  reading: { readonly from: number; readonly scrollTop: number } | undefined;

  constructor(id: string) {
    this.id = id;
  }

  show(conversation: Conversation): void {
    const { messages, ...head } = conversation;
    this.head = head;
    // Those that were here stay, so that an answer which grows in another tab redraws one message.
    const known = new Map(this.cells.map((cell) => [cell.id, cell]));
    this.cells = messages.map((message) => {
      const cell = known.get(message.id) ?? new MessageCell(message);
      cell.value = message;
      return cell;
    });
    this.loading = 'ready';
  }

  /** Nothing is left of it. */
  clear(): void {
    this.head = undefined;
    this.cells = [];
    this.loading = 'missing';
  }

  append(message: Message): MessageCell {
    const cell = new MessageCell(message);
    this.cells = [...this.cells, cell];
    return cell;
  }

  truncate(position: number): void {
    this.cells = this.cells.slice(0, position);
  }

  messages(): Message[] {
    return this.cells.map((cell) => cell.value);
  }
}
