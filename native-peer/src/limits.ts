/**
 * The sizes, counts and times of the native peer, in one place, each with where it comes from. What a file format or another
 * program's API fixes stays with the code that speaks it.
 */

// cli/: signals, the terminal

/**
 * One Ctrl-C reaches a process several times: from the terminal, from npm, from its parent. Only a signal after this
 * time is a second one, from somebody who does not want to wait.
 */
export const SAME_STOP_MS = 1000;
/** Half a second after npm is gone nobody has started the next `npm start` yet, which would find the port taken. */
export const WATCH_PARENT_MS = 500;
/** How long running answers may take to end when a peer leaves, unless `--grace` says otherwise. */
export const DEFAULT_GRACE_SECONDS = 10;
/** Who presses Ctrl-C on everything waits for no answer. */
export const UP_GRACE_SECONDS = 1;
/** Smaller files are there before a bar could be read. */
export const BAR_FROM_BYTES = 100_000_000;
/** What the smallest models of the catalog need, with the system beside them. */
export const LEAST_MEMORY_BYTES = 1e9;

/** A TabMesh of this machine answers `/healthz` in milliseconds, also when it is busy. */
export const HEALTH_PATIENCE_MS = 2000;

// home/: state on disk

/** Hashes and baselines: more models than one disk holds; the oldest go first. */
export const MOST_KEPT_ENTRIES = 500;
/** More peers than that on one machine share a mistake rather than a purpose. */
export const MOST_IDENTITIES = 64;

// models/: downloads

/** Attempts in a row that bring no byte. */
export const MOST_FRUITLESS_ATTEMPTS = 4;
export const FIRST_DOWNLOAD_RETRY_MS = 1000;
export const LONGEST_DOWNLOAD_RETRY_MS = 30_000;
/** A line of progress where no bar can be drawn: often enough to see life, seldom enough for a log. */
export const PROGRESS_LINE_MS = 10_000;
/** A repository of a thousand files, each with its hash, is a quarter of that. */
export const MOST_LISTING_BYTES = 1024 * 1024;
/** What a person can choose from at a glance. */
export const MOST_SUGGESTIONS = 3;
/** Browsers follow 20; hubs use 2. */
export const MOST_REDIRECTS = 10;

// speed/: what this machine should reach

/** Of reading, and of computing: with the threads' start half a second in all. */
export const SPEED_RUN_MS = 120;
/** Together, on a machine that is busy with something else. */
export const SPEED_PATIENCE_MS = 3000;
/** Of all threads together: more than caches hold. */
export const SPEED_BYTES = 256 * 1024 * 1024;
/** As many get all that a machine's memory gives. */
export const MOST_SPEED_THREADS = 8;
/** Memory does not change, but what runs beside it and how a machine is cooled. */
export const SPEED_KEPT_MS = 30 * 24 * 3_600_000;

// llama/: memory, batches, caches

/** Longer contexts are for those who ask: the cache of 4 slots at 32k takes 19 GB for an 8B model. */
export const DEFAULT_MOST_CONTEXT_TOKENS = 32_768;
/** Below it a system message and a question leave no room for an answer. */
export const LEAST_CONTEXT_TOKENS = 2048;
/** llama.cpp computes at most this many tokens at once; larger batches gain nothing on CPUs and delay a stop. */
export const BATCH_TOKENS = 512;
/**
 * A prompt is evaluated in pieces of this many tokens while other answers run: they get a token after each. Larger ones gain
 * little, and on a CPU one of 512 takes a large model so long that askers would take the running answers for lost.
 */
export const SHARED_BATCH_TOKENS = 64;
/** Passes that gather nothing, each of a few turns: two are enough for an answer and for the next piece of a prompt. */
export const MOST_EMPTY_PASSES = 4;
/**
 * A text is cut into tokens on the event loop when it is no longer than this: worst cases then take 30 ms (a run of one
 * letter) where a line of prose takes 1. Tokenizers with rules of their own also need 8 MB of stack from 16,000 characters
 * of one kind on, and end the process (DeepSeek's, Mistral's, GPT-4o's).
 */
export const MOST_CHARS_READ_AT_ONCE = 8192;
/** A template takes up to 0.1 ms for each message. */
export const MOST_MESSAGES_READ_AT_ONCE = 64;
/** node-llama-cpp and the vocabulary take half a second to load; on a busy machine ten times that. */
export const PROMPT_PROCESS_START_MS = 30_000;
/** The pauses of a person who reads long answers; the process holds 150 MB. */
export const PROMPT_PROCESS_IDLE_MS = 600_000;
/** Prose takes 0.3 ms a KiB, what no token fits 5; a slow machine ten times that of prose … */
export const PROMPT_READING_MS_PER_KIB = 5;
/** … and any machine may be busy for a moment. */
export const PROMPT_READING_BASE_MS = 2_000;
/** As long as OpenAI's; a longer one takes memory for texts that hardly anybody embeds whole. */
export const MOST_EMBEDDED_TOKENS = 8192;
/** A program asks for a handful of forms of JSON again and again. */
export const MOST_KEPT_GRAMMARS = 32;
/** Work on the event loop goes on in its next turn after this: half of what a frame of a page has. */
export const TURN_MS = 8;
/** Of a lane's tokens; the rest is the end of its last answer, which a template may render anew. */
export const OWN_LANE_SHARE = 0.75;
/** A copy moves the whole memory of a sequence, which takes about as long as evaluating a 64th of its tokens. */
export const COPY_SHARE = 1 / 64;

// peer/: starting, being found, being started again

/** What failed is a link that opens or a peer that starts: moments. */
export const FIRST_ANSWER_RETRY_MS = 250;
/** An announcement reaches the entry within a quarter of a second; asking costs less than a prompt. */
export const LISTING_POLL_MS = 50;
/** Who waits longer for the entry's list serves already, though nobody may know. */
export const LISTING_PATIENCE_MS = 10_000;
export const RESTARTS = { firstMs: 500, longestMs: 10_000 };
/** A process that lived this long had no problem with starting. */
export const HEALTHY_MS = 30_000;
export const MOST_EARLY_DEATHS = 4;
/** More than the peer gives its running answers (`UP_GRACE_SECONDS`), less than the patience of who pressed Ctrl-C. */
export const FORCE_AFTER_MS = 3000;

// http-engine/: other programs that run models

/** An idle server that went away is noticed within this, so that its model is not offered much longer than it is there. */
export const CHECK_SERVER_MS = 10_000;
export const SERVER_RETRIES = { firstMs: 500, longestMs: 30_000 };
/** A message of a stream holds a token with its twenty likeliest; more than this is no such stream. */
export const MOST_MESSAGE_CHARS = 4 * 1024 * 1024;
/** What the mesh's messages hold of one token's text and bytes. */
export const MOST_TOKEN_CHARS = 1024;
export const MOST_TOKEN_BYTES = 256;
/** Of a server's text, in our one sentence. */
export const MOST_QUOTED_CHARS = 300;
/** Of servers that don't say what theirs is: the least that any of them has by default (Ollama's). */
export const UNKNOWN_CONTEXT_TOKENS = 4096;
