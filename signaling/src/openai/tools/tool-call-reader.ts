/**
 * Takes the calls out of an answer's text while it streams. A call shows as soon as its name is read, its arguments as they
 * come; a tag shows never, not even half of it. What turns out to be no call is given out as the text that it is. It goes
 * character by character, so that it can't matter how the text was split.
 */
import { CallHead } from './call-head.ts';
import { JsonEnd } from './json-end.ts';

export type AnswerPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'call'; readonly index: number; readonly name: string }
  /** Of the call with this index, JSON text as the model wrote it. */
  | { readonly type: 'arguments'; readonly index: number; readonly text: string };

/** `tagged`: calls stand in tags between text. `bare`: the whole text may be one call, without tags. */
export type CallForm = 'tagged' | 'bare';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
const WHITESPACE = /\s/;

type State =
  /** `space` and `tag` wait: the space in front of a call is no text, and the tag may become one. */
  | { readonly at: 'text'; space: string; tag: string }
  | { readonly at: 'head'; raw: string; readonly head: CallHead }
  /** In a tag, but not in the usual order: it is read when it is complete. */
  | { readonly at: 'block'; raw: string; readonly from: number; tag: string }
  | { readonly at: 'arguments'; readonly end: JsonEnd }
  /** Arguments that are no JSON go as far as the tag. */
  | { readonly at: 'broken'; raw: string; tag: string }
  /** `signs`: what is no space. */
  | { readonly at: 'behind'; raw: string; signs: string }
  | { readonly at: 'plain' };

export class ToolCallReader {
  readonly #names: ReadonlySet<string>;
  readonly #form: CallForm;
  #state: State;
  #calls = 0;
  /** Whether the last that was given out belongs to a call. */
  #afterCall = false;
  #parts: AnswerPart[] = [];

  constructor(names: ReadonlySet<string>, form: CallForm) {
    this.#names = names;
    this.#form = form;
    this.#state = form === 'tagged' ? freshText() : { at: 'head', raw: '', head: new CallHead() };
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }

  push(text: string): readonly AnswerPart[] {
    for (let index = 0; index < text.length; index += 1) this.#take(text.charAt(index));
    return this.#given();
  }

  /** What was held back. */
  end(): readonly AnswerPart[] {
    const state = this.#state;
    this.#state = { at: 'plain' };
    switch (state.at) {
      case 'text':
        if (state.tag !== '' || !this.#afterCall) this.#text(state.space + state.tag);
        break;
      case 'head':
        this.#text(state.raw);
        break;
      case 'block':
        if (!this.#readBlock(state.raw.slice(state.from))) this.#text(state.raw);
        break;
      case 'broken':
        this.#arguments(withoutBrace(state.raw));
        break;
      case 'arguments':
      case 'behind':
      case 'plain':
        break;
      default:
        state satisfies never;
    }
    return this.#given();
  }

  #take(character: string): void {
    const state = this.#state;
    switch (state.at) {
      case 'text':
        this.#takeText(state, character);
        return;
      case 'head':
        this.#takeHead(state, character);
        return;
      case 'block':
        this.#takeBlock(state, character);
        return;
      case 'arguments': {
        const found = state.end.push(character);
        if (found === 'broken') {
          this.#state = { at: 'broken', raw: '', tag: '' };
          this.#take(character);
          return;
        }
        this.#arguments(character);
        if (found === 'end') this.#state = { at: 'behind', raw: '', signs: '' };
        return;
      }
      case 'broken':
        state.raw += character;
        state.tag = tagSoFar(state.tag, character);
        if (state.tag !== CLOSE || this.#form === 'bare') return;
        this.#arguments(withoutBrace(state.raw.slice(0, -CLOSE.length)));
        this.#state = freshText();
        return;
      case 'behind':
        this.#takeBehind(state, character);
        return;
      case 'plain':
        this.#text(character);
        return;
      default:
        state satisfies never;
    }
  }

  #takeText(state: Extract<State, { at: 'text' }>, character: string): void {
    if (OPEN.startsWith(state.tag + character)) {
      state.tag += character;
      if (state.tag === OPEN) this.#state = { at: 'head', raw: state.space + OPEN, head: new CallHead() };
    } else if (state.tag !== '') {
      this.#text(state.space + state.tag);
      this.#state = freshText();
      this.#take(character);
    } else if (WHITESPACE.test(character)) {
      state.space += character;
    } else {
      this.#text(state.space + character);
      state.space = '';
    }
  }

  #takeHead(state: Extract<State, { at: 'head' }>, character: string): void {
    state.raw += character;
    const found = state.head.push(character);
    if (found === 'more') return;
    if (found === 'arguments' && this.#names.has(state.head.name)) {
      this.#call(state.head.name);
      this.#state = { at: 'arguments', end: new JsonEnd() };
      this.#take(character);
    } else if (this.#form === 'bare') {
      this.#text(state.raw);
      this.#state = { at: 'plain' };
    } else {
      const raw = state.raw.slice(0, -1);
      this.#state = { at: 'block', raw, from: raw.indexOf(OPEN) + OPEN.length, tag: '' };
      this.#take(character);
    }
  }

  #takeBlock(state: Extract<State, { at: 'block' }>, character: string): void {
    state.raw += character;
    state.tag = tagSoFar(state.tag, character);
    if (state.tag === CLOSE) {
      this.#state = freshText();
      if (!this.#readBlock(state.raw.slice(state.from, -CLOSE.length))) this.#text(state.raw);
    } else if (state.tag === OPEN) {
      // The tag before was only spoken of.
      const before = state.raw.slice(0, -OPEN.length);
      const text = before.trimEnd();
      this.#text(text);
      this.#state = { at: 'head', raw: before.slice(text.length) + OPEN, head: new CallHead() };
    }
  }

  /** Behind the arguments the object and the tag are closed, in one go; anything else is text again. */
  #takeBehind(state: Extract<State, { at: 'behind' }>, character: string): void {
    state.raw += character;
    if (WHITESPACE.test(character)) return;
    state.signs += character;
    const { raw, signs } = state;
    const closings = this.#form === 'bare' ? ['}'] : [`}${CLOSE}`, CLOSE];
    if (this.#form === 'tagged' && closings.includes(signs)) this.#state = freshText();
    if (closings.some((closing) => closing.startsWith(signs))) return;
    this.#state = this.#form === 'bare' ? { at: 'plain' } : freshText();
    for (const left of raw.replace(/^\s*\}?/, '')) this.#take(left);
  }

  #readBlock(block: string): boolean {
    const call = readCall(block);
    if (call === undefined || !this.#names.has(call.name)) return false;
    this.#call(call.name);
    this.#arguments(call.arguments);
    return true;
  }

  #call(name: string): void {
    this.#parts.push({ type: 'call', index: this.#calls, name });
    this.#calls += 1;
    this.#afterCall = true;
  }

  #arguments(text: string): void {
    const index = this.#calls - 1;
    const last = this.#parts.at(-1);
    if (last?.type === 'arguments' && last.index === index) this.#parts.pop();
    const before = last?.type === 'arguments' && last.index === index ? last.text : '';
    if (before + text !== '') this.#parts.push({ type: 'arguments', index, text: before + text });
  }

  #text(text: string): void {
    if (text === '') return;
    this.#afterCall = false;
    const last = this.#parts.at(-1);
    if (last?.type === 'text') this.#parts.pop();
    this.#parts.push({ type: 'text', text: (last?.type === 'text' ? last.text : '') + text });
  }

  #given(): readonly AnswerPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}

function freshText(): State {
  return { at: 'text', space: '', tag: '' };
}

/** A beginning of one of the tags, up to this character; both begin with the only `<` that they have. */
function tagSoFar(before: string, character: string): string {
  const tag = before + character;
  if (OPEN.startsWith(tag) || CLOSE.startsWith(tag)) return tag;
  return character === '<' ? character : '';
}

/** The last brace closes the object around the arguments. */
function withoutBrace(raw: string): string {
  const text = raw.trimEnd();
  return text.endsWith('}') ? text.slice(0, -1).trimEnd() : text;
}

/** A call in any order of its fields; some models write `parameters`, and some the arguments as a text. */
function readCall(block: string): { readonly name: string; readonly arguments: string } | undefined {
  try {
    const call: unknown = JSON.parse(block);
    if (typeof call !== 'object' || call === null || !('name' in call) || typeof call.name !== 'string')
      return undefined;
    const given: unknown = 'arguments' in call ? call.arguments : 'parameters' in call ? call.parameters : {};
    if (typeof given === 'string') return { name: call.name, arguments: given };
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined;
    return { name: call.name, arguments: JSON.stringify(given) };
  } catch {
    return undefined;
  }
}
