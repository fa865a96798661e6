/** `npm run check` holds package-lock.json to what every machine needs of it. */
import { resolve } from 'node:path';
import { outOfStep, readLockedPackages } from '../../shared/setup/lock-file.mjs';
import { lockFaults } from './lock-file.mjs';

const root = resolve(import.meta.dirname, '../..');
const packages = readLockedPackages(root);
const difference = outOfStep(root, packages);
const faults = [...(difference === undefined ? [] : [difference]), ...lockFaults(packages)];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
