/**
 * The limits of the core that a stranger can meet: sizes, counts and times, each beside the reason for its number. What
 * passes one is refused, cut or given up where it is used. Weights of the router and schedules of measurements are no
 * limits and stand with their formulas; bounds of single wire fields stand in the schemas of `protocol`.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

// The wire.

/** One frame. Chromium and node-datachannel take 256 KiB; above 64 KiB channels stall (simple-peer #393). */
export const MAX_FRAME_BYTES = 32 * KIB;
/** One frame of a stream: what a message may find before it on its way. */
export const MAX_STREAM_FRAME_BYTES = 16 * KIB;
/** Messages that share a frame: what a turn of a busy entry says to one peer, and no more than is decoded in a moment. */
export const MAX_PACKED_MESSAGES = 64;
/** A whole message between linked peers, before it is cut into frames. Holds a prompt of 128k tokens. */
export const MAX_MESSAGE_BYTES = MIB;
/** A socket.io message, at either end. */
export const MAX_SIGNALING_BYTES = 256 * KIB;
/** Names of what a member can do, in a handshake or an announcement; more are skipped. */
export const MAX_CAPABILITIES = 64;
/** Features of one model that are looked at, those of newer peers included. */
export const MAX_FEATURES = 64;
/** Entries of a list of models that are looked at; some may be of a form that only newer peers read. */
export const MAX_LIST_ENTRIES = 256;
/** A name out of a list that grows: a capability, a kind, a code, a type of message. */
export const MAX_NAME_CHARS = 64;
/** The name of a field that a peer refuses; the end of a longer one is not told. */
export const MAX_PARAM_CHARS = 300;
/** Types of messages of one link that are logged as unknown; a peer can make up any number. */
export const MAX_UNKNOWN_TYPES = 16;
/** Texts of one embedding job: its answer has to fit in a message, at up to 8,192 floats each. */
export const MAX_EMBED_INPUTS = 16;
/** No hardware decodes faster; a wrong field once gave 953,000. */
export const MAX_TOKENS_PER_SECOND = 50_000;

// One link.

/** ICE, DTLS and the handshake together; a slow mobile network needs a few seconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
export const HEARTBEAT_MS = 2_000;
/** Three missed heartbeats: WebRTC itself takes 15 to 30 s to notice a closed page. */
export const SILENCE_TIMEOUT_MS = 6_500;
/** A peer that answers pings and takes nothing that is sent to it would hold a slot for ever. */
export const UNREAD_TIMEOUT_MS = 6_500;
/** What waits to be sent beyond the channel's own buffer; past this the other end is not reading. */
export const MAX_OUTBOX_BYTES = 8 * MIB;
/** Messages fill a channel's own buffer up to here (Chromium closes a channel at 16 MB) … */
export const CHANNEL_HIGH_WATER_BYTES = 256 * KIB;
/** … and again from here, where a channel tells that it drained. Bytes of streams are sent only below this mark. */
export const CHANNEL_LOW_WATER_BYTES = 64 * KIB;
/** A peer that goes on sending nonsense is cut off. */
export const MAX_VIOLATIONS = 8;
/** WebRTC drops what is under way when it is closed: whoever leaves lets the other end hang up, this long. */
export const LEAVING_TIMEOUT_MS = 1_000;

// Streams of one link.

/** Open or being opened at a time, by each end. */
export const MAX_STREAMS = 64;
export const MAX_STREAM_NAME_CHARS = 64;
/** What a stream takes before it is read: all that one which is never read can hold. */
export const FIRST_STREAM_WINDOW_BYTES = 64 * KIB;
/** Its window doubles whenever as much was read, up to here: 10 MB/s with a round trip of 100 ms. */
export const MAX_STREAM_WINDOW_BYTES = MIB;
/** All windows of a link. Half of it are the first windows of all streams, which none is denied. */
export const MAX_STREAM_WINDOWS_BYTES = 16 * MIB;
/** Written to a stream and not yet sent; a write that would pass this is refused. */
export const MAX_STREAM_UNSENT_BYTES = MIB;
/** Its writer goes on from here. */
export const STREAM_LOW_WATER_BYTES = 64 * KIB;
/**
 * Bytes of all streams that are under way at first, and at least: two frames, so that both ends work. Over loopback (70 MB/s)
 * a message waits 0.2 ms behind them, 0.5 ms behind 64 KiB, and 15 ms behind what node-datachannel itself would buffer.
 */
export const FIRST_FLIGHT_BYTES = 32 * KIB;
/** 40 MB/s with a round trip of 100 ms. */
export const MAX_FLIGHT_BYTES = 4 * MIB;
/**
 * Of the queue that streams alone may cause, what they may cause while messages come and go: less waits before a token, and
 * both ends' processors have time for it. On a short line they send as little ahead as is acknowledged at a time.
 */
export const QUEUE_SHARE_BESIDE_MESSAGES = 1 / 4;
/**
 * How long streams rest after each acknowledgement while messages come and go. On a line without a way to speak of this takes
 * three quarters of their rate and leaves both ends' processors, which would be full, time for tokens; on a long one little.
 */
export const STREAM_REST_MS = 1;
/** A message says that more will follow for so long: the slowest answers that are read have four tokens a second. */
export const MESSAGES_FLOW_MS = 250;
/** From asking for a stream to the answer; who asks for one again and again has this long for each. */
export const STREAM_OPEN_TIMEOUT_MS = 10_000;
/** A stream whose bytes nobody takes for this long is reset, by whichever end waits. */
export const STREAM_STALL_TIMEOUT_MS = 60_000;

// All links.

/** A first attempt fails now and then for reasons that a second one doesn't meet (libdatachannel's candidate race). */
export const MAX_DIAL_ATTEMPTS = 3;
/** Of one entry; each costs every link its gathering. */
export const MAX_ICE_SERVERS = 16;
/** Links and attempts. Chromium allows 500 connections a page. */
export const MAX_SESSIONS = 400;
/**
 * Of them, links and attempts that strangers began: the rest is for peers that this end wants, and for its own dialling.
 * Attempts open within a moment, or are no loss.
 */
export const MAX_STRANGER_LINKS = 256;
export const MAX_STRANGER_ATTEMPTS = 32;
/** A link that a stranger opened stays so long at least, though nothing runs on it and others would like its place. */
export const STRANGER_LINK_MS = 10_000;
/**
 * Attempts of one stranger: as many at once, and as many a second, as long as they open; one that does not counts as so many.
 * Twenty a second take some 12 % of a processor, and a benchmark that makes one link after the other does not reach that.
 */
export const STRANGER_ATTEMPTS = { perSecond: 20, burst: 120 };
export const STRANGER_FAILURE_COST = 20;
/** Peers to keep links to, so that a prompt finds the line open and the round trip measured. */
export const STANDING_LINKS = 8;

// Joining, and who is there.

/** From the socket to the entry's welcome. */
export const JOIN_TIMEOUT_MS = 15_000;
/** Whoever was in the mesh for so long comes back at once when it is lost; before that the pauses go on growing. */
export const STEADY_ENTRY_MS = 10_000;
/** An announcement outlives two lost renewals. */
export const ANNOUNCEMENT_LIFETIME_MS = 30_000;
export const ANNOUNCEMENT_RENEWAL_MS = 10_000;
/** Load changes with every job; peers need it to within this. */
export const ANNOUNCEMENT_INTERVAL_MS = 250;
/** Models that an announcement lists; more refuse it. */
export const MAX_SERVED_MODELS = 32;
/** Links that an announcement lists. */
export const MAX_ANNOUNCED_LINKS = 32;
/** More peers than an entry is meant for; a flood of keys must not fill the memory. */
export const MAX_ROSTER_PEERS = 20_000;
/** Peers that left of which is remembered which record was their last, so that nobody brings them back by it. */
export const MAX_GONE_PEERS = 2 * MAX_ROSTER_PEERS;

// Asking.

/** Peers that an answer may be offered to, one after the other, without a token from any of them. */
export const MAX_ATTEMPTS = 8;
/** What is half written is worth more patience. */
export const MAX_CONTINUATIONS = 20;
/** Prefilling a long prompt on a large model takes that order of time; a pause in an answer is never longer. */
export const MAX_STALL_MS = 60_000;
/**
 * A prompt of megabytes would be worth hours of reading: without a token by then, whoever was asked, the answer is given
 * up. Clients and proxies wait no longer.
 */
export const MAX_FIRST_TOKEN_MS = 600_000;
/** Who says that it is busy for longer is believed so far: clients wait as long as they are told. */
export const MAX_TOLD_WAIT_MS = 3_600_000;
/** Of what a peer says of its refusal: the sentence of an honest one has some hundred characters. */
export const MAX_QUOTED_CHARS = 300;
/** Longer than any model's answer; who reads it as a whole keeps it in memory. */
export const MAX_ANSWER_BYTES = 16 * MIB;
/** An answer that nobody reads is given up beyond this. */
export const MAX_UNREAD_CHARS = 4 * MIB;
/** All answers of one asker together; past it those are given up that are not read as they come. */
export const MAX_ALL_UNREAD_CHARS = 32 * MIB;
export const READ_AT_ONCE_CHARS = 64 * KIB;

// Answering.

/** Models that one peer serves: as many as an announcement lists. */
export const MAX_ENGINES = MAX_SERVED_MODELS;
/** Waiting answers for each slot; past it a wait is worse than another peer. */
export const MAX_QUEUED_PER_SLOT = 4;
/** Askers take a peer that is silent for 60 s for lost; a wait that may be longer is refused. */
export const MAX_QUEUE_WAIT_MS = 30_000;
/** An engine lets go of a stopped answer within a token; one that does not by now hangs. */
export const ENGINE_RELEASE_TIMEOUT_MS = 5_000;
/** Askers whose turn is remembered. */
export const MAX_QUEUE_CLIENTS = 1_000;
/** Text that waits for a reader before a delta leaves whatever its age. */
export const MAX_GATHERED_CHARS = 64 * KIB;

// JSON schemas that become grammars.

/** A schema's size, depth and parts once its references are written out: what llama.cpp parses within milliseconds. */
export const MAX_SCHEMA_CHARS = 64 * KIB;
export const MAX_SCHEMA_LEVELS = 20;
export const MAX_SCHEMA_PARTS = 2_000;
/** llama.cpp takes longer repetitions for endless ones … */
export const MAX_SCHEMA_REPETITION = 2_000;
/** … and writes each out: so many of all together. */
export const MAX_SCHEMA_REPETITIONS = 20_000;
/** What one value may be once alternatives within each other are combined. */
export const MAX_SCHEMA_CASES = 512;
/** The longest that libraries write is zod's for an IPv6 network, of 1,100. */
export const MAX_PATTERN_CHARS = 3_000;
export const MAX_PATTERN_LEVELS = 64;
/** Of all patterns of a schema: sets of texts that are told apart, and steps from one to another. 100,000 take 50 ms. */
export const MAX_LANGUAGE_PARTS = 60_000;
export const MAX_LANGUAGE_STEPS = 200_000;
/** Of one pattern; a length of 2,000 fits. */
export const MAX_AUTOMATON_STATES = 2_100;
export const MAX_AUTOMATON_STEPS = 25_000;
/** Of all patterns of a schema: found, and written once lengths are counted. */
export const MAX_ALL_STATES = 5_000;
export const MAX_WRITTEN_STATES = 12_000;
/** What llama.cpp parses in some 10 ms. */
export const MAX_GRAMMAR_CHARS = 512 * KIB;
/** Looks at an answer, once it is complete: some 100 ms of them. */
export const MAX_CHECK_STEPS = 2_000_000;

/**
 * Tokens of the vocabulary × choices at one place: llama.cpp compares each with each for a token that does not fit at once,
 * some 60 ns each, and the answers beside it wait. A vocabulary of 32,000 thus has 156 choices, and 0.3 s.
 */
export const MAX_GRAMMAR_CHECKS = 5_000_000;

// What is remembered.

/** A peer that failed is the last choice for this long, doubling up to the next. */
export const FIRST_PENALTY_MS = 30_000;
export const MAX_PENALTY_MS = 300_000;
/** One that was later than a rival. */
export const LATE_PENALTY_MS = 10_000;
/** Models whose name is remembered after the last peer left. */
export const MAX_REMEMBERED_MODELS = 1_000;
/** Conversations whose peer is remembered. */
export const MAX_REMEMBERED_CONVERSATIONS = 1_000;
/** Peers of which is remembered how the last link to them came about. */
export const MAX_REMEMBERED_TRIALS = 1_000;
/** Peers whose samples are kept, and the samples of one. */
export const MAX_MEASURED_PEERS = 1_000;
export const MAX_SAMPLES = 512;

// Model files.

/** The first look at a GGUF header. The vocabulary is what makes headers large: 7 MB for 150,000 tokens. */
export const FIRST_GGUF_WINDOW_BYTES = MIB;
/** Far more than any vocabulary takes; what claims more is damaged. */
export const MAX_GGUF_HEADER_BYTES = 512 * MIB;
/** Tensors, or keys, of one file: the largest models have some thousands. */
export const MAX_GGUF_COUNT = 1_000_000;
/** Files of one model: a terabyte of weights in parts of the two gigabytes that browsers hold is 500. */
export const MAX_GGUF_PARTS = 1000;
