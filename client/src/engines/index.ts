/** What the pages use of the engines. The engines themselves are megabytes and load on demand, with `loadEngine`. */

export { claimEngineLock } from './engine-lock.ts';
export { type DeviceReport, probeDevice } from './kit/device-report.ts';
export type { LoadOptions, LoadProgress, ModelSource } from './kit/model-source.ts';
export { loadEngine } from './load-engine.ts';
export { type ModelOffer, modelOffers } from './model-offers.ts';
export { type Expectation, type Expectations, expectationsOf, learnedRate } from './speed/expectations.ts';
export { SpeedBook, type SpeedStore } from './speed/speed-book.ts';
