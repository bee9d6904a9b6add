/** Entries that benches read: how long a hover or a step takes to be drawn, and when the panel was first painted. */

const kept = 1000;
let measured = 0;

/** Runs what answers a pointer or key and records its time as `fovea.hover`. */
export function measureHover(answer: () => void): void {
  const start = performance.now();
  answer();
  if (++measured % kept === 0) performance.clearMeasures('fovea.hover');
  performance.measure('fovea.hover', { start, end: performance.now() });
}

let asked: { readonly step: number; readonly start: number } | undefined;

/** Somebody went to a step of the answer. */
export function measureStepAsked(step: number): void {
  asked = { step, start: performance.now() };
}

/** The step is drawn: records, once, the time since it was asked for as `fovea.step`. */
export function measureStepDrawn(step: number): void {
  if (asked?.step !== step) return;
  performance.measure('fovea.step', { start: asked.start, end: performance.now() });
  asked = undefined;
}

/** Records, once, the time from navigation to the first picture with data as `fovea.firstPaint`. */
export function measureFirstPaint(): void {
  if (performance.getEntriesByName('fovea.firstPaint').length > 0) return;
  performance.measure('fovea.firstPaint', { start: 0, end: performance.now() });
}
