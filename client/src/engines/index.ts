/** What the pages use of the engines. The engines themselves are megabytes and load on demand, with `loadEngine`. */
export { type DeviceReport, probeDevice } from './device-report.ts';
export { claimEngineLock } from './engine-lock.ts';
export { loadEngine } from './load-engine.ts';
export { type ModelOffer, modelOffers } from './model-offers.ts';
export type { LoadOptions, LoadProgress, ModelSource } from './model-source.ts';
