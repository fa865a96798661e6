/**
 * Every size, count, rate and time of the entry that a stranger can meet, room by room in the order of a request, each with
 * where its number comes from. What one signed message or announcement may hold is the wire's (`shared/src/protocol`); how
 * large a schema may be is the core's, because every engine refuses more (`shared/src/limits.ts`).
 */

import type { RateLimit } from '@tabmesh/shared';

// hub/: members, and who would like to be one

/** Of one member. */
export interface MemberLimits {
  readonly joinTimeoutMs: number;
  /** What is said before the join, and not read. */
  readonly early: RateLimit;
  readonly announcements: RateLimit;
  readonly descriptions: RateLimit;
  readonly reports: RateLimit;
  /** Dropped messages that are forgiven; past them the member is disconnected. */
  readonly offences: RateLimit;
}

export interface HubLimits extends MemberLimits {
  readonly members: number;
  /** By address, of IPv6 by /64. */
  readonly membersPerNetwork: number;
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  readonly joinsPerAddress: RateLimit;
}

/** `startEntry({ hubLimits })` changes them. */
export const DEFAULT_HUB_LIMITS: HubLimits = {
  // Every member holds the whole roster: past it the roster alone is a download of tens of megabytes.
  members: 10_000,
  // A class or an office behind one address, and not hundreds of keys of one program. `--members-per-network` changes it.
  membersPerNetwork: 64,
  // An office or a school behind one address, and not one program that joins for ever.
  joinsPerAddress: { perSecond: 20, burst: 40 },
  // Two round trips and a signature, on the slowest phone.
  joinTimeoutMs: 10_000,
  // A member of November 2026 that stalled says first what waited: announcements, and the descriptions of its dials.
  early: { perSecond: 100, burst: 1_000 },
  pingIntervalMs: 2_000,
  // A dead TCP connection is noticed within the sum of both; a killed process at once, by its closed socket.
  pingTimeoutMs: 4_000,
  // A peer tells of changes at most four times a second.
  announcements: { perSecond: 5, burst: 10 },
  // One at a time is what a person asks; a page that runs a batch of questions loses counts, not answers.
  reports: { perSecond: 5, burst: 20 },
  // Each link takes an offer, an answer and their candidates, and a newcomer dials several peers at once.
  descriptions: { perSecond: 100, burst: 400 },
  // A member errs now and then; one that errs for a minute never stops. As many unknown events of a newer one are none.
  offences: { perSecond: 1, burst: 50 },
};

/** Attempts that a member may begin: a newcomer dials a few peers at once, and each a second time when it is late. */
export const OFFERS_OF_MEMBER: RateLimit = { perSecond: 20, burst: 100 };
/**
 * Attempts of one network at one peer, each some milliseconds of that peer's processor: a class that opens the page at
 * once, and no more than a peer can answer beside its jobs.
 */
export const OFFERS_OF_NETWORK_TO_PEER: RateLimit = { perSecond: 20, burst: 100 };
/** Of those, for members that have not dialled the peer yet. */
export const KEPT_FOR_FIRST_OFFERS = 50;
/** Of one attempt: an answer and its candidates, for each network interface and server that there is. */
export const ANSWER_DESCRIPTIONS = 64;
/** Attempts that answers are still owed to; some 200 bytes each. */
export const MAX_REMEMBERED_ATTEMPTS = 20_000;
/**
 * Answers that are reported of a peer and model beyond those that it announces for the last hour: its count comes within
 * seconds, and engines that only guess their usage are not in it.
 */
export const REPORTS_AHEAD = 60;
/** Peers and models whose reports are counted; some 200 bytes each. */
export const MAX_REPORTED_PAIRS = 10_000;
/** Tokens that one asks for, that a network asks for and that one serves: what people and machines do, and no more. */
export const REPORTED_TOKENS_OF_ASKER: RateLimit = { perSecond: 1_000, burst: 50_000 };
export const REPORTED_TOKENS_OF_NETWORK: RateLimit = { perSecond: 5_000, burst: 200_000 };
export const REPORTED_TOKENS_OF_PROVIDER: RateLimit = { perSecond: 10_000, burst: 200_000 };
/** Records up to this size are everyone's: a peer with a few models has 1 to 3 KB, with eight models 6. */
export const LEAN_RECORD_BYTES = 8 * 1024;
/** Of larger ones, for each network and for all: every newcomer is sent them. */
export const FAT_BYTES_OF_NETWORK = 256 * 1024;
export const FAT_BYTES = 2 * 1024 * 1024;
/** Members date by this entry's clock; what is further off was signed long ago, or for another time. */
export const MEMBER_CLOCK_SKEW_MS = 5 * 60_000;
/** Of the nonce that a joiner signs: nobody guesses 256 bits, nor is given the same ones again. */
export const JOIN_NONCE_BYTES = 32;
/** Changes of the roster that come within it are told together: a lost peer costs a reader no time that it would see. */
export const ROSTER_DELTA_INTERVAL_MS = 25;
/** Ids of 43 characters: some 46 KB a message. */
export const ROSTER_REMOVED_PER_DELTA = 1_000;
/** Ids of members that left, for those who read slowly: half a megabyte. Whoever has missed more joins again. */
export const ROSTER_REMOVALS_KEPT = 10_000;
/**
 * A member's socket holds so much unread before it is told nothing more of the roster until it has read on: a second of
 * a slow line.
 */
export const MEMBER_BACKLOG_BYTES = 256 * 1024;
/** Two messages more than that: one that holds so much is cut off, whatever it was sent. */
export const MEMBER_UNREAD_BYTES = 1024 * 1024;
/** Of all members; past it whoever holds most is cut off. */
export const HUB_UNREAD_BYTES = 64 * 1024 * 1024;
/** A member that is behind and takes nothing for so long is gone, whatever its pings say. */
export const MEMBER_UNREAD_MS = 60_000;
/** Of a signaling message's size, for signed records; the rest is for the frame around them. */
export const ROSTER_RECORDS_SHARE = 0.75;
/** As long as the wire lets the sentence of a refusal be. */
export const REFUSAL_MESSAGE_CHARS = 500;
/** Token buckets (addresses, API keys) that are kept before full ones are looked for and forgotten: some 100 KB. */
export const BUCKETS_SWEPT_AT = 1_024;

// http/: every request and every reply

/** Some 250,000 tokens of conversation, more than any model here reads. */
export const HTTP_BODY_BYTES = 1024 * 1024;
/** A body beyond this takes turns with others: it costs some 0.3 ms. */
export const LARGE_REQUEST_BYTES = 64 * 1024;
/** Of the event loop's time, for all of them together while others ask: a megabyte takes some 15 ms, and waits some 45. */
export const LARGE_WORK_SHARE = 0.25;
/** A turn in which the machine did something else is no reason to wait for ever. */
export const LARGE_TURN_PAUSE_MS = 50;
/** Of a turn of the event loop, for answers that begin; a token waits no longer behind them. */
export const OPENINGS_PER_TURN_MS = 4;
/** For the whole request to arrive; answers may take as long as they like. */
export const HTTP_REQUEST_TIMEOUT_MS = 30_000;
/** For its headers: a packet or two, on the slowest line. */
export const HTTP_HEADERS_TIMEOUT_MS = 10_000;
/** Between two looks for those that are late, so much later than their time they are cut. Node looks every 30 s. */
export const HTTP_LATE_CHECK_MS = 1_000;
/** Peers come and go in seconds: OpenAI's clients wait this long when they are told nothing else. */
export const RETRY_AFTER_S = 2;
/** What a stranger sent is repeated to it no further: as much as a line of a log shows. */
export const ECHOED_CHARS = 200;
/** Paths into a body are repeated a little further, since their end says where. */
export const ECHOED_FIELD_CHARS = 300;
/** Of a client's own `x-request-id`, which its reply and the log repeat: a UUID has 36, OpenAI takes as many. */
export const MAX_REQUEST_ID_CHARS = 512;
/** A turn of the event loop that brings more for one client is written in parts, so that it feels back-pressure within. */
export const STREAM_FLUSH_CHARS = 64 * 1024;
/** Whoever takes nothing for so long does not read: its answer and its connection would stay for ever. */
export const STREAM_UNREAD_MS = 60_000;

/** How long an answer goes on for a client that lost its connection and asked for that: a tunnel, a change of network. */
export const KEPT_STREAM_MS = 60_000;
/** Of one such stream: two thousand tokens in chunks of 250, more than a minute brings and a connection loses. */
export const KEPT_STREAM_CHARS = 1024 * 1024;
/** Of all together; the largest gives back what it has. */
export const MAX_KEPT_CHARS = 64 * 1024 * 1024;
/** Of one key or network: as many as it may well ask for at once. The oldest that has ended makes room. */
export const MAX_CLIENT_KEPT_STREAMS = 16;
export const MAX_KEPT_STREAMS = 1024;

/** Of replies and streams that clients do not read, for each network and for all; past it the largest is cut off. */
export const CLIENT_UNREAD_BYTES = 16 * 1024 * 1024;
export const HTTP_UNREAD_BYTES = 64 * 1024 * 1024;
/** Less is taken by the kernel, whoever reads. */
export const SMALL_REPLY_BYTES = 64 * 1024;

// access/: who may call

/** Shorter keys could be guessed, since wrong guesses cost nothing but time. */
export const MIN_API_KEY_CHARS = 16;
/** One and a half a second is more than a person asks, and less than a loop that has gone wrong. */
export const DEFAULT_REQUESTS_PER_MINUTE = 100;
/** So that a limit stays a number that a bucket can count. */
export const MAX_REQUESTS_PER_MINUTE = 1_000_000;
/** As long as Chromium keeps the answer to a preflight at most. */
export const PREFLIGHT_KEPT_S = 7_200;

/** A page fetches one before a question, when the last one is over: what leaks of it is worth little. */
export const PAGE_TOKEN_LIFE_MS = 300_000;
/** Checked ones that are remembered, of some 100 bytes each; past it all are checked again. */
export const MAX_KNOWN_PAGE_TOKENS = 1_000;
/** Of what a proxy calls an address; the longest IPv6 address has 45. */
export const MAX_ADDRESS_CHARS = 64;

// answers/: waiting for peers

/** Of clients whose word for the peers is remembered, of some 200 bytes each; past it all are signed again. */
export const MAX_KNOWN_CLIENTS = 1_000;
/** `x-tabmesh-deadline-ms`: proxies and clients give up well before ten minutes. */
export const MAX_DEADLINE_MS = 600_000;
/**
 * Requests that are open at a time: more than any mesh answers within the patience of a client. A program that sends a
 * batch of prompts at once has room for it, an office behind one address as well.
 */
export const MAX_OPEN_REQUESTS = 1_024;
export const MAX_CLIENT_OPEN_REQUESTS = 256;
/** Of their bodies, which stay in memory until their answers have ended: four times, and once, the longest 16 prompts. */
export const MAX_OPEN_BYTES = 64 * 1024 * 1024;
export const MAX_CLIENT_OPEN_BYTES = 16 * 1024 * 1024;
/** So much of both may be filled by few; the rest is kept for clients with fewer open requests than this. */
export const OPEN_SHARE_FOR_ALL = 3 / 4;
export const SMALL_CLIENT_REQUESTS = 4;
/** Between two tries of an answer that found no room beside those of its own request; peers say how long, within these. */
export const MIN_ROOM_WAIT_MS = 50;
export const MAX_ROOM_WAIT_MS = 1_000;
/** An answer that takes longer keeps the rest from ever being a reply. */
export const ROOM_PATIENCE_MS = 120_000;

// openai/: what a body may hold

/** Each is a job of its own, and the reply begins when the last of them has its first token. */
export const MAX_CHAT_CHOICES = 8;
/** Prompts times `n`: as many as LangChain sends at once. */
export const MAX_TEXT_CHOICES = 20;
/** OpenAI's own default of `/v1/completions`; answers of a chat may be longer. */
export const DEFAULT_TEXT_TOKENS = 16;
/** Of an answer: beyond the context of any model, and what the wire takes. */
export const MAX_TOKENS = 10_000_000;
/** What the wire takes. */
export const MAX_STOP_TEXTS = 16;
export const MAX_STOP_CHARS = 1_024;
/** What the wire takes: of 1 MiB, 100 characters each. */
export const MAX_MESSAGES = 10_000;
/** Far more than a model writes in one answer. */
export const MAX_PAST_CALLS_PER_MESSAGE = 1_000;
/** OpenAI's own bounds: of chat and responses, and of text completions. */
export const MAX_TOP_LOGPROBS = 20;
export const MAX_TEXT_LOGPROBS = 5;
/** OpenAI's own bound of `/v1/embeddings`. */
export const MAX_EMBEDDING_INPUTS = 2_048;
/** Beyond the vectors of any model. */
export const MAX_EMBEDDING_DIMENSIONS = 100_000;
/** Names of conversations (`prompt_cache_key`) and of calls: a UUID has 36. */
export const MAX_ID_CHARS = 256;
/** OpenAI's own bounds of `metadata` and of the name of a form. */
export const MAX_METADATA_KEY_CHARS = 64;
export const MAX_METADATA_VALUE_CHARS = 512;
export const MAX_FORMAT_NAME_CHARS = 64;
/** Three times the longest name that there is. */
export const MAX_INCLUDE_CHARS = 100;
/** Kinds of tools and of blocks, versions included, at twice the longest; efforts and tiers are shorter words. */
export const MAX_TOOL_TYPE_CHARS = 100;
export const MAX_WORD_CHARS = 64;
/** OpenAI's own bound of the tool calls that one answer may be given. */
export const MAX_TOOL_CALLS = 1_000;
/** Repeated in every event of a response that tells of its settings. */
export const MAX_USER_CHARS = 1_024;

// responses/: what is kept of responses, in memory

/** A conversation goes on within it, or is sent whole again; each of its responses is kept anew. */
export const STORED_RESPONSE_MS = 3_600_000;
/** Of one key or network: a program that keeps its conversations here for hours, and a fourth of the memory that all have. */
export const MAX_CLIENT_STORED_RESPONSES = 1_000;
export const MAX_CLIENT_STORED_BYTES = 16 * 1024 * 1024;
/** Of all; past it the oldest of whoever has most is forgotten. */
export const MAX_STORED_RESPONSES = 10_000;
export const MAX_STORED_BYTES = 64 * 1024 * 1024;
/** What an entry of the store costs beside its text, and each name in its index. */
export const STORED_RESPONSE_COST_BYTES = 512;
export const STORED_ITEM_COST_BYTES = 128;
/** Of a conversation that goes on here: as long as the longest body, past the context of any model. */
export const MAX_STORED_CONVERSATION_BYTES = HTTP_BODY_BYTES;
/** Of what has to be read for the items that one request refers to: mostly they are all in the last response. */
export const MAX_REFERRED_BYTES = 4 * HTTP_BODY_BYTES;
/** Answers that are written while nobody waits for them. */
export const MAX_CLIENT_BACKGROUND_RESPONSES = 16;
export const MAX_BACKGROUND_RESPONSES = 128;
/** Of the events of one that is streamed, for whoever comes back: some 4,000 tokens. */
export const MAX_EVENT_LOG_BYTES = 1024 * 1024;
/** Further tries with a shorter conversation, each by what the refusal before said: one is nearly always enough. */
export const MAX_SHORTENINGS = 3;
/** OpenAI's own bounds of a list. */
export const MAX_LISTED_ITEMS = 100;
export const DEFAULT_LISTED_ITEMS = 20;

// openai/tools/

/** OpenAI's own bounds. */
export const MAX_TOOLS = 128;
export const MAX_TOOL_NAME_CHARS = 64;
/** Anthropic's own bound. */
export const MAX_MESSAGE_TOOL_NAME_CHARS = 128;
/** All tools of a request: the model has to read them before the conversation. */
export const MAX_TOOL_DEFINITION_BYTES = 256 * 1024;
/** A name in `tool_choice`; which of the tools it is decides, so it may be longer than theirs and is then refused by name. */
export const MAX_CHOICE_NAME_CHARS = 200;
/** Levels of JSON. Deeper definitions are no use to a model, and a danger to whatever walks through them. */
export const MAX_JSON_LEVELS = 64;

// fallback/: the provider behind the gate

/** Answers per network and hour: a conversation, for a price that an operator can foresee. */
export const DEFAULT_FALLBACK_BUDGET = 20;
export const FALLBACK_BUDGET_SPAN_MS = 3_600_000;
/**
 * What IPv6 networks may spend together, in budgets of one /64. A phone or a rented server has a /64; a household often has
 * a /56 and so 256 of them, and whoever asks a tunnel broker has a /48 of 65,536. That neighbours in a /48 share these few
 * is milder than what those behind one IPv4 address share.
 */
export const FALLBACK_BUDGETS_OF_IPV6: readonly { readonly bits: number; readonly budgets: number }[] = [
  { bits: 64, budgets: 1 },
  { bits: 56, budgets: 2 },
  { bits: 48, budgets: 8 },
];
/** Past so many networks in one hour a new one has no budget: the operator's money ends before memory does. */
export const MAX_FALLBACK_NETWORKS = 10_000;
/** Whoever waits has waited for the mesh before, so a provider that can't be reached must not cost long. */
export const PROVIDER_CONNECT_MS = 5_000;
/** Large models think before their first token. */
export const PROVIDER_FIRST_BYTE_MS = 15_000;
/** Between two parts of an answer that has begun. */
export const PROVIDER_SILENCE_MS = 30_000;
/** A line of tokens has some hundred characters. */
export const MAX_PROVIDER_LINE_CHARS = 1024 * 1024;
/** The provider's name of a model. */
export const MAX_PROVIDER_MODEL_CHARS = 256;

// ledger/: what is counted and kept

/** What is lost when the process is killed. */
export const LEDGER_FLUSH_MS = 1_000;
/** Until a storage that failed is tried again. */
export const LEDGER_RETRY_MS = 5_000;
/** Hours older than that are added up into days. */
export const LEDGER_HOURS_KEPT_DAYS = 90;
/**
 * Counters that gather while others are being written: 100 peers with 5 models each for a day without storage. Past it
 * known ones count on and new ones are dropped; how many is logged once writing works again.
 */
export const MAX_LEDGER_COUNTERS = 50_000;
/** First answers of models that are told, those with most answers of late. */
export const MAX_MILESTONES = 100;
/** First answers that are noted between two days' clearings; members choose their models' names. */
export const MAX_NOTED_MILESTONES = 1_000;
/** A model that nobody has served for so long has no milestone any more. */
export const MILESTONE_KEPT_DAYS = 30;
/** 90 days of hours with 400 busy peer and model pairs are about 200 MB. Past it the ledger behaves as on a full disk. */
export const MAX_LEDGER_BYTES = 1024 ** 3;
/** A second process that writes to the same file. */
export const SQLITE_BUSY_MS = 2_000;
/** A batch that comes again within it is known: longer than anyone tries again. */
export const REDIS_BATCH_REMEMBERED_S = 86_400;
/** Without an answer to pings the connection counts as lost. */
export const REDIS_SILENCE_MS = 5_000;
/** Between two tries to connect: Redis is back within seconds of its restart. */
export const REDIS_FIRST_RECONNECT_MS = 50;
export const REDIS_MAX_RECONNECT_MS = 2_000;

// status/: who watches

/** Listeners of `/api/events`: each keeps a connection, and costs a write at each change. */
export const MAX_LISTENERS = 500;
/** Of one network: an office behind one address, and not all places for one program that opens what it can. */
export const MAX_LISTENERS_PER_NETWORK = 50;
/** A page draws no more often. */
export const STATUS_DELTA_INTERVAL_MS = 100;
/** Proxies close a line after 30 to 60 quiet seconds. */
export const STATUS_HEARTBEAT_MS = 15_000;
/** Prometheus keeps a label for good, and peers choose their models' names: the rest of them is one. */
export const MAX_PROMETHEUS_MODELS = 100;
/** Of `/api/metrics`: as many as the page shows. */
export const MAX_METRICS_PEERS = 20;
