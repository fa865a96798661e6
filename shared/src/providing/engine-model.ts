/**
 * What an engine says of its model, checked before anybody is told: others skip a model of a form that they can't read, and
 * refuse the whole record of a peer whose figures pass a bound, so that its engine would be asked by nobody and never know why.
 */
import { z } from 'zod/mini';
import { MeshError } from '../errors.ts';
import type { EngineModel } from '../ports/engine.ts';
import { ServedModel } from '../protocol/announcement.ts';

/** The rest of a served model is counted or measured here; a long `backend` is cut. */
const Announced = z.pick(ServedModel, {
  id: true,
  classId: true,
  family: true,
  contextTokens: true,
  slots: true,
  sizeBytes: true,
});

/** @throws MeshError `invalid_request`, which names the field */
export function checkEngineModel(model: EngineModel): void {
  const [issue] = Announced.safeParse(model).error?.issues ?? [];
  if (issue === undefined) return;
  throw new MeshError(
    'invalid_request',
    `The engine's model has a wrong '${issue.path.join('.')}' (${issue.message}), so no peer would know of it. Correct it.`,
  );
}
