// @ts-check
/**
 * A token method of your own. Fovea runs it inside the pipeline: fewer visual tokens really enter the later layers.
 * Save this file and the open analysis runs again. docs/own-methods.md explains every function.
 *
 * This example keeps the visual tokens that the last prompt token attends to most, at the output of one decoder layer.
 *
 * @type {import('./fovea-method.d.ts').OwnTokenMethod}
 */
export default {
  name: 'METHOD_NAME',
  title: 'METHOD_TITLE',
  summary: 'Keeps the visual tokens that the last prompt token attends to most.',
  parameters: [
    {
      name: 'layer',
      title: 'Layer',
      kind: 'integer',
      least: 0,
      default: ({ decoder }) => Math.round(decoder.layers / 6),
      meaning: 'Decoder layer after whose output tokens are dropped.',
    },
    { name: 'tokens', title: 'Tokens kept', kind: 'integer', least: 1, default: 128, meaning: 'How many stay.' },
  ],

  start({ shape, parameters }) {
    const layer = Number(parameters.layer);
    const tokens = Number(parameters.tokens);
    return {
      // What is wanted of each decoder layer; nothing else is computed or copied.
      decoderNeeds: Array.from({ length: shape.decoder.layers }, (_, at) =>
        at === layer ? { attention: 'last' } : undefined,
      ),

      decoderLayer({ attention, tokens: visual }) {
        const heads = attention.length / visual.length;
        const score = visual.map((_, token) => {
          let sum = 0;
          for (let head = 0; head < heads; head++) sum += attention[head * visual.length + token];
          return sum / heads;
        });
        const ranked = score.map((_, token) => token).sort((a, b) => score[b] - score[a] || a - b);
        const kept = ranked.slice(0, tokens);
        return {
          title: 'Keep the most attended',
          keep: kept.sort((a, b) => a - b),
          // What stays keeps its place, so that new tokens follow the prompt without a gap in every layer.
          positions: 'original',
          scores: [
            {
              name: 'attention',
              title: 'attention of the last prompt token, mean of heads',
              unit: 'probability',
              values: score,
              cutoff: { value: score[ranked[Math.min(tokens, ranked.length) - 1]], rule: 'top-k' },
            },
          ],
        };
      },
    };
  },
};
