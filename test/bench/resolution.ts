/** `npm run bench:resolution`: measures FlexAttention beside its rivals and writes its section of docs/benchmarks.md. */
import { highResolutionHeading, highResolutionSection } from './high-resolution-report.ts';
import { highResolutionTimings } from './high-resolution.ts';
import { measureSection } from './measure-section.ts';

const rounds = 3;

await measureSection(highResolutionHeading, async (folder, date) =>
  highResolutionSection(await highResolutionTimings(folder, rounds), date),
);
