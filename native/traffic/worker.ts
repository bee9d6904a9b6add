/** Entry of every thread of an embedded run: a rank, or the links between them. */
import { parentPort, workerData } from 'node:worker_threads';
import { runLinks } from './links.ts';
import type { LinksSetup, RankSetup } from './protocol.ts';
import { describe, runRank } from './rank.ts';

const setup = workerData as LinksSetup | RankSetup;
if (setup.role === 'links') {
  try {
    runLinks(setup);
  } catch (error) {
    parentPort?.postMessage({ type: 'failed', failure: describe(error) });
  }
} else {
  void runRank(setup);
}
