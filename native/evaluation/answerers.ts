import type { Answerer } from './answerer.ts';
import { ProcessAnswerer } from './process-answerer.ts';

/** One job runs here; more run in a process each. */
export function answererStarter(here: () => Answerer): (jobs: number) => readonly Answerer[] {
  return jobs => (jobs === 1 ? [here()] : Array.from({ length: jobs }, () => new ProcessAnswerer()));
}
