import { type CrossAttention, crossTokens } from '../../trace/cross-attention.ts';

/** One line: what text read beside the sequence, in which layers, with which gates, and how long it took. */
export function crossAttentionText(run: CrossAttention): string {
  const { input, frames, framesAvailable, layers, gates, ms, weights } = run;
  const tokens = crossTokens(run);
  const what =
    input === 'frames'
      ? `${frames.length === framesAvailable ? frames.length : `${frames.length} of ${framesAvailable}`} ${framesAvailable === 1 ? 'frame' : 'frames'}, ${tokens} tokens`
      : `${tokens} high-resolution tokens`;
  return [
    `${what}, read through cross-attention before layers ${layers.join(', ')}`,
    `gates ${gates.map(gate => gate.toFixed(2)).join(', ')}`,
    weights,
    `encoded in ${ms.encode.toFixed(0)} ms, keys and values ${ms.project.toFixed(0)} ms once, reading ${ms.read.toFixed(0)} ms`,
    ...run.notes,
  ].join('; ');
}
