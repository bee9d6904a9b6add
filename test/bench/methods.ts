/** `npm run bench:methods [-- ROUNDS]`: measures token methods beside no pruning and writes their section of docs/benchmarks.md. */
import { measureSection } from './measure-section.ts';
import { methodsHeading, methodsSection } from './token-methods-report.ts';
import { methodTimings } from './token-methods.ts';

const rounds = Number(process.argv[2] ?? 10);

await measureSection(methodsHeading, async (folder, date) => methodsSection(await methodTimings(folder, rounds), date));
