/**
 * How many tokens a text has at least, told from its bytes alone: a prompt that can't fit is refused before anything is done
 * with it that grows with its length. Tokenizers take time by the square of what a stranger sends (480,000 line breaks: 23 s).
 *
 * A token of n bytes stands for n bytes, so each byte brings at least 1 ÷ (bytes of the longest token that has this byte).
 */

/** Never more than the text really has; a fraction, so that those of the parts of a text can be added. */
export type TokenFloor = (text: string) => number;

/**
 * @param tokens the vocabulary as a GGUF file writes it
 * @param tokenizer the file's `tokenizer.ggml.model`; of others than `llama` and `gpt2`, which may drop parts of a text,
 *   nothing can be told, and the floor is 0
 */
export function createTokenFloor(tokens: Iterable<string>, tokenizer: string | undefined): TokenFloor {
  if (tokenizer !== 'llama' && tokenizer !== 'gpt2') return () => 0;
  const encoder = new TextEncoder();
  const longest = new Uint32Array(256);
  for (const token of tokens) {
    for (const bytes of readings(token, encoder)) {
      for (const byte of bytes) longest[byte] = Math.max(longest[byte] ?? 0, bytes.length);
    }
  }
  return (text) => {
    const counts = new Uint32Array(256);
    for (const byte of encoder.encode(text)) counts[byte] = (counts[byte] ?? 0) + 1;
    let least = 0;
    // A byte that no token has leaves none behind.
    for (let byte = 0; byte < 256; byte += 1)
      least += (counts[byte] ?? 0) / (longest[byte] || Number.POSITIVE_INFINITY);
    return least * (1 - ROUNDING);
  };
}

/** More than the errors of 256 additions, and less than anybody counts. */
const ROUNDING = 1e-9;
const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;
/** How SentencePiece writes a space. */
const SPACE = '\u2581';

/** All that the text of a token may stand for: a reading too many only lowers the floor. */
function readings(token: string, encoder: TextEncoder): Uint8Array[] {
  const all = [encoder.encode(token)];
  const [, byte] = BYTE_TOKEN.exec(token) ?? [];
  if (byte !== undefined) all.push(Uint8Array.of(Number.parseInt(byte, 16)));
  if (token.includes(SPACE)) {
    // As long as with the sign itself, which a text may have as well.
    const spaced = new Uint8Array(all[0]?.length ?? 0).fill(0x20);
    spaced.set(encoder.encode(token.replaceAll(SPACE, ' ')));
    all.push(spaced);
  }
  const written = Array.from(token, (character) => BYTE_OF.get(character));
  if (written.every((one) => one !== undefined)) all.push(Uint8Array.from(written));
  return all;
}

/** GPT-2's alphabet, in which vocabularies of byte pairs are written: printable bytes stand for themselves. */
export const BYTE_OF: ReadonlyMap<string, number> = new Map(alphabet());

function* alphabet(): Generator<[string, number]> {
  let others = 0x100;
  for (let byte = 0; byte < 0x100; byte += 1) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    yield [String.fromCodePoint(printable ? byte : others), byte];
    if (!printable) others += 1;
  }
}
