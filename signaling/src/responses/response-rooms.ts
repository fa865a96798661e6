/** What the routes of responses share. */
import type { Logger } from '@tabmesh/shared';
import type { AnsweringParts } from '../openai/mesh-answers.ts';
import type { BackgroundResponses } from './background-responses.ts';
import type { StoredResponses } from './stored-responses.ts';

export interface ResponseRooms extends AnsweringParts {
  readonly logger: Logger;
  readonly store: StoredResponses;
  readonly background: BackgroundResponses;
}
