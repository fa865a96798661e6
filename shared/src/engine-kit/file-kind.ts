// biome-ignore-all lint/suspicious/noControlCharactersInRegex: formats begin with such bytes.
/**
 * What a file really is that carries a model's name, by its first bytes: a page that was saved instead of the file, weights
 * in another format, a GGUF file that no llama.cpp reads any more. 'Damaged' would send people to download it again.
 */

/** As many first bytes as `fileFault` needs. */
export const FILE_KIND_BYTES = 64;

export interface FileKind {
  /** To follow 'is': `a safetensors file`. */
  readonly what: string;
  /** A sentence or two: which files work, and how to come by one. */
  readonly advice: string;
}

/**
 * @param first the first bytes, at least `FILE_KIND_BYTES` unless the file is shorter.
 * @returns undefined for a GGUF file that can be read, as far as these bytes tell, and for what nothing is known of.
 */
export function fileKind(first: Uint8Array): FileKind | undefined {
  if (first.length === 0) return { what: 'cut off: it is empty', advice: AGAIN };
  // Byte by byte: the decoder for Latin-1 is really one for Windows-1252.
  const text = String.fromCharCode(...first.subarray(0, FILE_KIND_BYTES));
  if (text.startsWith('GGUF')) return unreadableGguf(first);
  if (isSafetensors(first)) return { what: 'a safetensors file under another name', advice: CONVERTED };
  return KINDS.find(({ pattern }) => pattern.test(text));
}

/** Behind what a file is: which ones work. */
export const WHICH_FILES = 'Only GGUF files of version 2 and 3 work, little-endian as nearly all are.';

const AGAIN = 'Delete it and download it again.';
const CONVERTED = `${WHICH_FILES} Look for the model in a repository with -GGUF in its name, or convert it with llama.cpp's convert_hf_to_gguf.py.`;
const PAGE = `${WHICH_FILES} Take the address of the file itself, or pull it by its name: npx tabmesh models pull <owner/name>`;
const UNPACKED = `${WHICH_FILES} If a GGUF file is in it, unpack it; otherwise look for the model in a repository with -GGUF in its name.`;

/** In the order in which they are tried. */
const KINDS: readonly (FileKind & { readonly pattern: RegExp })[] = [
  {
    pattern: /^(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml|!--|error)/i,
    what: 'a web page that was saved under the name of a model',
    advice: PAGE,
  },
  {
    pattern: /^version https:\/\/git-lfs/,
    what: 'the pointer of Git LFS that stands for a file',
    advice: `${WHICH_FILES} Get the file itself with: git lfs pull`,
  },
  {
    pattern: /^(\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*[{"[\]])/,
    what: 'a JSON text, such as the error of a server or the index of a model in parts',
    advice: PAGE,
  },
  { pattern: /^PK(\x03\x04|\x05\x06)/, what: 'a ZIP archive, as PyTorch writes its weights', advice: CONVERTED },
  { pattern: /^\x80[\x02-\x05]/, what: "a file of Python's pickle, as old PyTorch weights are", advice: CONVERTED },
  {
    pattern: /^(lmgg|fmgg|tjgg|algg)/,
    what: 'a GGML file, the format before GGUF, from before August 2023',
    advice: CONVERTED,
  },
  { pattern: /^\x89HDF\r\n/, what: 'an HDF5 file, as Keras writes its weights', advice: CONVERTED },
  { pattern: /^.{4}TFL3/s, what: 'a TensorFlow Lite model', advice: CONVERTED },
  { pattern: /^\x08[\x01-\x0f][\x12\x1a]/, what: 'an ONNX model', advice: CONVERTED },
  { pattern: /^\x1f\x8b/, what: 'a gzip archive', advice: UNPACKED },
  { pattern: /^\x28\xb5\x2f\xfd/, what: 'a Zstandard archive', advice: UNPACKED },
  { pattern: /^\xfd7zXZ/, what: 'an xz archive', advice: UNPACKED },
  { pattern: /^BZh[1-9]/, what: 'a bzip2 archive', advice: UNPACKED },
  { pattern: /^7z\xbc\xaf/, what: 'a 7-Zip archive', advice: UNPACKED },
  { pattern: /^Rar!/, what: 'a RAR archive', advice: UNPACKED },
  { pattern: /^%PDF-/, what: 'a PDF document', advice: PAGE },
  { pattern: /^\x00{32}/, what: 'empty but for zeros: its download never came', advice: AGAIN },
];

/** Its version stands behind the four letters, in the order of bytes that the whole file has. */
function unreadableGguf(first: Uint8Array): FileKind | undefined {
  if (first.length < 8) return undefined;
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
  const version = view.getUint32(4, true);
  const swapped = view.getUint32(4, false);
  if (swapped >= 1 && swapped <= MOST_VERSION) {
    return {
      what: `a big-endian GGUF file of version ${swapped}, for machines such as IBM Z`,
      advice: `${WHICH_FILES} Download the usual one, or convert it with llama.cpp's gguf_convert_endian.py.`,
    };
  }
  if (version === 1) {
    return {
      what: 'a GGUF file of version 1, from August 2023, which llama.cpp no longer reads',
      advice: `${WHICH_FILES} Download the model anew, or convert it again with llama.cpp's convert_hf_to_gguf.py.`,
    };
  }
  if (version <= 3 || version > MOST_VERSION) return undefined;
  return {
    what: `a GGUF file of version ${version}, newer than this TabMesh`,
    advice: `${WHICH_FILES} Update TabMesh, or download the model in version 3.`,
  };
}

/** Versions count up from 1: what says more says nonsense. */
const MOST_VERSION = 0xff;

/** Eight bytes of the length of a JSON object, then the object. */
function isSafetensors(first: Uint8Array): boolean {
  if (first.length < 10 || first[8] !== '{'.charCodeAt(0)) return false;
  const length = new DataView(first.buffer, first.byteOffset, first.byteLength).getBigUint64(0, true);
  return length >= 2n && length < 1n << 32n && (first[9] === '"'.charCodeAt(0) || length === 2n || first[9] === 32);
}
