/** The engine contract as a vitest suite. Apart from the cases themselves, because those also run in a browser's page. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type EngineSubject, engineContract } from './engine-contract.ts';

/** `make` is called once; every case runs on that engine, in order, and the last ones close it. */
export function describeEngineContract(name: string, make: () => EngineSubject | Promise<EngineSubject>): void {
  describe(`engine contract: ${name}`, () => {
    let subject: EngineSubject;
    beforeAll(async () => {
      subject = await make();
    });
    afterAll(() => subject.engine.close());
    for (const { rule, title, run } of engineContract) {
      it(`${rule}: ${title}`, () => run(subject));
    }
  });
}
