/**
 * The limits of the web app, in the order in which a prompt meets them: how long it waits, how much it keeps, how much it
 * takes from others. How much is drawn at once is each component's own business.
 */

// --- Joining the mesh ---

/** A message that is sent while the page joins waits this long for the first roster. Chosen: a slow network's join fits in. */
export const JOIN_PATIENCE_MS = 10_000;
/** A reloading page lets go of its key's lock within a few milliseconds; a duplicated tab never does. */
export const RELOAD_PATIENCE_MS = 1_000;
/** Tabs of one browser with a key of their own: more than anybody keeps open. */
export const MAX_KEYED_TABS = 256;

// --- Asking ---

/** A notice that came up while a finger was on its way to Send has not been read. Chosen: about as long as a glance at it takes. */
export const NOTICE_READ_MS = 1_000;
/** A page's token is renewed so long before it is over: the question has to arrive with it. */
export const PAGE_TOKEN_MARGIN_MS = 10_000;
/** Of one event from the entry: an event of tokens has some hundred characters, so this is a thousand times too much. */
export const MAX_EVENT_CHARACTERS = 1024 * 1024;
/** A hidden page has no frames; what gathers then only goes to storage and other tabs, written twice a second at most. */
export const HIDDEN_PAGE_FLUSH_INTERVAL_MS = 250;

// --- Keeping conversations ---

/** A streaming answer rewrites its row at most twice a second; what a page that dies can lose is half a second of it. */
export const ANSWER_WRITE_INTERVAL_MS = 500;
/** Peers kept with an answer's route: a mesh of thousands must not be stored with every message. */
export const MAX_KEPT_CANDIDATES = 8;
/** Cut from the first question. Chosen: about two lines of the sidebar. */
export const MAX_TITLE_CHARACTERS = 48;
/** A title that a person types. Chosen: as long as a sentence; pages cut what does not fit. */
export const MAX_TYPED_TITLE_CHARACTERS = 120;
/** Far more than a lifetime of chats; a larger file is a mistake. */
export const MAX_IMPORTED_CHARACTERS = 256 * 1024 * 1024;
/** A host's name has 253 at most, and a port may follow. */
export const MAX_HOST_CHARACTERS = 260;
/** A search reads every message, which is worth it only when the typing pauses: letters of a word come faster. */
export const TYPING_PAUSE_MS = 120;

// --- Lending ---

/** How long answers that run here may go on after Stop, or a reason to pause that leaves the time. Chosen: most answers end in it. */
export const DRAIN_GRACE_MS = 10_000;
/** In a row. With the pauses between them 13 to 25 s, in which a GPU's driver has come back if it does at all. */
export const MAX_RESTARTS = 7;
/** An engine that served this long was sound; its next break is the first one again. */
export const SOUND_AFTER_MS = 300_000;

// --- Looking at the device ---

/** Both short runs on a GPU, its device and its shaders together: a person waits for them once. */
export const SPEED_RUN_MS = 1_500;
/** A batch of work this long is told apart from the millisecond that a browser takes to say that it is done. */
export const ENOUGH_WORK_MS = 80;
/** Read again and again. Larger than the caches of nearly all GPUs, small enough for any that runs models. */
export const READ_BUFFER_BYTES = 256 * 1024 * 1024;
/** The same for a core: larger than its caches, and there in an instant. */
export const CPU_READ_BYTES = 64 * 1024 * 1024;
/** At a stretch on the thread of the page: a third of what a frame may take. */
export const CPU_SLICE_MS = 5;
/** Drivers, batteries and power plans change; who lends for months is measured anew now and then. */
export const SPEED_KEPT_MS = 30 * 24 * 3_600_000;
/** More adapters than one browser meets. */
export const MAX_KEPT_DEVICES = 8;
/** The last models that a device ran. */
export const MAX_KEPT_RATES = 24;

// --- Loading a model ---

/** Firefox and Safari tell no memory; devices with less than 4 GiB are rare. */
export const ASSUMED_MEMORY_BYTES = 4 * 1024 ** 3;
/** llama.cpp in a browser reads no larger file: positions in it are 32 bits wide. */
export const MAX_GGUF_BYTES = 2 ** 31 - 1;
/** A download's speed as a person reads it: over the last seconds, not since the start. */
export const SPEED_WINDOW_MS = 3_000;
/** Shorter spans give wild figures: a network hands over whole chunks. */
export const SHORTEST_SPEED_SPAN_MS = 250;
/** Hashing tells how far it is each 8 MiB: several times a second on a slow device, and no flood on a fast one. */
export const HASH_REPORT_INTERVAL_BYTES = 8 * 1024 * 1024;
/** wllama never settles when its worker fails to start. Chosen for the start alone; the weights add to it. */
export const LOAD_TIMEOUT_MS = 60_000;
/** Slow disks read weights at 10 MB/s. */
export const SLOWEST_LOAD_BYTES_PER_MS = 10_000;

// --- llama.cpp in the tab ---

/** What one answer and its prompt may hold at most: a browser pays for the whole context in memory, per slot. */
export const MAX_CONTEXT_TOKENS = 4096;
/** Cores beyond these bring less than the other tabs need. */
export const MAX_THREADS = 8;
/** A prompt is read in pieces of this size, and a cancel takes effect between two of them. */
export const BATCH_TOKENS = 512;
/**
 * An engine that makes embeddings keeps room for the whole vocabulary beside each token of a batch: with 150,000 tokens
 * 300 MB, more than the weights of a small model.
 */
export const MAX_EMBEDDING_ROOM_BYTES = 64 * 1024 ** 2;
/** Of llama.cpp's log: enough to find the reason among the lines that only repeat the failure. */
export const MAX_KEPT_LOG_LINES = 20;

// --- Watching the mesh ---

/** The status page follows a mesh that changes a hundred times a second; more than ten figures a second can't be read. */
export const STATUS_UPDATE_INTERVAL_MS = 100;
/** Of 'Measure it yourself'. Chosen: enough for a rate, and over within seconds on a slow peer. */
export const MEASURED_ANSWER_TOKENS = 32;
/** The entry counts by the hour, so a metrics page that is left open asks anew once a minute. */
export const METRICS_REFRESH_INTERVAL_MS = 60_000;
