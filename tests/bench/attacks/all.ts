/** Every attack on an entry, in the order in which the benchmark tries them. */
import type { Attack } from './attack.ts';
import { attacks as memory } from './memory.ts';
import { attacks as offers } from './offers.ts';
import { attacks as reports } from './reports.ts';
import { stallingRequests } from './stalls.ts';

export const attacks: readonly Attack[] = [stallingRequests, ...memory, ...offers, ...reports];
