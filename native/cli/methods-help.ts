import { knownShapes } from '../planning/known-shapes.ts';
import { exitCodeText } from './exit-code-text.ts';

export const methodsHelp = `Usage
  fovea methods [--json]

Lists the token methods: what each does, after which publication or code, its variants and its parameters with their
defaults.

${exitCodeText}
`;

export const planHelp = `Usage
  fovea plan --shape MODEL --method NAME [options]

Says by formula what a method would cost on a model that is not loaded: tokens, multiply-accumulates, bytes of keys and
values. Nothing is run, and nothing is measured.

  --shape MODEL        ${Object.keys(knownShapes).join(', ')}, or the path of a config.json
  --method NAME        see: fovea methods
  --variant NAME       code or paper
  --budget N           visual tokens, mean over the decoder's layers
  --set NAME=VALUE     a parameter of the method; may be repeated
  --tokens N           tokens of the whole prompt, visual ones counted. Default: 92 more than the image has
  --formula F2|F3      multiply-accumulates of a layer: F2 = 4nd² + 2n²d + 2ndm (FastV's paper),
                       F3 = 4nd² + 2n²d + 3ndm (right for Llama's gated MLP). Default: F3
  --json               print one JSON object: eIn, eOut, visualTokensPerLayer {entering, leaving}, macsPerLayer,
                       macs {formula, expression, prefill, decode (one step), full, share}, visualKvBytes (in decode),
                       visualKvBytesAfterPrefill, visualKvBytesFull

Examples
  fovea plan --shape llava-1.5-7b --method fastv --set layer=2 --set ratio=0.5
  fovea plan --shape llava-1.5-13b --method tome --budget 128 --json

${exitCodeText}
`;
