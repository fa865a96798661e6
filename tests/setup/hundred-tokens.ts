/** The answer that failover tests break: exactly 100 tokens of mesh-tiny, the same ones every time. */
import { type AnswerEvent, type Mesh, ModelId, type PeerId } from '@tabmesh/shared';

export const TOKENS = 100;

/** Of some thirty the questions whose answers are furthest from any near-tie, so that every backend gives the same. */
export const QUESTIONS = ['Who are you?', 'Is my data safe?', 'What happens when a peer leaves?'] as const;

export function hundredTokens(question: string = QUESTIONS[0]) {
  return {
    model: ModelId.parse('mesh-tiny'),
    messages: [{ role: 'user' as const, content: question }],
    temperature: 0,
    maxTokens: TOKENS,
    // The two tokens that end an answer: without them the model talks on (its own answers are 60 tokens long at most).
    logitBias: { '2': -100, '4': -100 },
  };
}

export interface HundredTokens {
  readonly text: string;
  readonly tokenCount: number;
  readonly reason: string | undefined;
  readonly completionTokens: number | undefined;
  /** Of each peer that went on with it: behind which token, and what it runs. */
  readonly handovers: readonly { readonly behind: number; readonly to: 'same-class' | 'other-class' }[];
}

/** @param onTokens is told how many there are so far, and who gave the last of them. */
export async function takeHundredTokens(
  mesh: Mesh,
  onTokens: (tokenCount: number, peerId: PeerId) => void = () => {},
): Promise<HundredTokens> {
  const handovers: HundredTokens['handovers'][number][] = [];
  let text = '';
  let tokenCount = 0;
  let peerId: PeerId | undefined;
  let end: Extract<AnswerEvent, { type: 'end' }> | undefined;
  for await (const event of mesh.complete(hundredTokens(), new AbortController().signal)) {
    if (event.type === 'route') {
      peerId = event.peerId;
      if (event.continues !== null) handovers.push({ behind: tokenCount, to: event.continues });
    } else if (event.type === 'tokens') {
      text += event.text;
      tokenCount += event.tokenCount;
      if (peerId !== undefined) onTokens(tokenCount, peerId);
    } else end = event;
  }
  return { text, tokenCount, reason: end?.reason, completionTokens: end?.usage.completionTokens, handovers };
}
