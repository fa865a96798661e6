/** The part of autocannon that the benchmarks call; the package has no types of its own. */
declare module 'autocannon' {
  export interface Options {
    readonly url: string;
    readonly method: 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    /** Milliseconds between two looks at the counters. */
    readonly sampleInt?: number;
  }

  export interface Report {
    readonly requests: { readonly total: number };
    /** Seconds. */
    readonly duration: number;
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
  }

  export default function autocannon(options: Options): Promise<Report>;
}
