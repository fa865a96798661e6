#!/usr/bin/env node
/** The `tabmesh` command. */
import { compiled } from './compiled.js';

const { main } = await import(await compiled('cli.js'));
await main(process.argv.slice(2));
