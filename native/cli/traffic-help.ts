import { presets } from '../../trace/traffic/presets.ts';
import { exitCodeText } from './exit-code-text.ts';
import { algorithmWords } from './traffic-options.ts';

export const trafficHelp = `Usage
  fovea traffic [--algorithm NAME] [--ranks N] [sizes, preset or images] [options]
  fovea traffic --perfetto TRACE --out FILE.json

Cross-attention that is spread over ranks: each is a thread with its own part of queries, keys and values, and sends real
messages. Every byte is recorded, checked against the formulas, and the result compared with one device.

What to run
  --algorithm, -a NAME   ${algorithmWords.join(', ')}. Default: lv-xattn
  --compare NAME,...     more algorithms on the same workload, side by side in one trace
  --ranks, -n N          default: 4, or the preset's
  --pass NAME            forward or backward. Default: forward
  --plan                 predict only: time, exposed communication, bytes and memory, for any number of ranks; with --mask also
                         what each rank computes in which round, and what it skips

Workload: one of
  --preset NAME          ${presets.map(({ name }) => name).join(', ')};
                         then :a100 (table 3 of the paper, default) or :a30 (table 4), then :1 to :3 for its row
  --scale N|auto         divides a preset's tokens so that it fits. Default: 1
  --sq N  --skv N        queries and keys in all, or one number per rank: --sq 7,0,12
  --heads N  --kv-heads N  --head-dim N
  --images FILE...       your images, animations or folder of frames, asked with --question (and --model, --vision-tower, --frames N)
  --weights NAME         what images become queries, keys and values by: cross-attention, the model's own (xattn.json), or
                         flexattention, its high-resolution projections. Default: the model's own where it has one
  --layer N              decoder layer of these weights. Default: the middle one
  --mask NAME            what a query sees: causal-frames[:N] (frames up to its own place), own-frame[:N] (that frame alone; those
                         before the first one see nothing), padding[:SHARE] (all but the last share of the keys). N frames
                         of noise, images have their own. Default: none, 8 frames, 0.25
  --dtype NAME           F32, F16 or BF16: what travels. Default: F32, for presets F16
  --seed N               of the noise that sizes and presets are filled with. Default: 1

On the wire
  --output-wire NAME     O as element or float32. --gradient-wire NAME: dQ, dK, dV. Default: element
  --backward NAME        of lv-xattn: official (Q, O, dO, L) or delta (Q, dO, L, D). Default: official
  --link-bandwidth RATE  emulate links of so many bytes a second, e.g. 3G; their lanes are marked as simulated
  --link-latency TIME    and so much latency, e.g. 20us
  --flops RATE           of one rank, for --plan, e.g. 12T. Default, with 3 GB/s links: what table 3 implies

What comes out
  --repeats N            timed runs, of which the median is kept, after one that is checked. Default: 3
  --out, -o FILE         the trace
  --schedule FILE        what every rank does, as JSON; without --out nothing is run
  --json                 print one JSON object: bytesSentPerRank, bytesByKind, hopMatrix, times, agreement {maxAbs, relL2,
                         ...}, checks, compared [...]; or error {code, message, hint}
  --help, -h             this text

The exit code is 1 when a check fails, and 5 when a rank does; what was recorded until then is kept and printed.

Examples
  fovea traffic --ranks 4 --sq 256 --skv 16384 --compare ring,ulysses --out lv.fovea
  fovea traffic --preset llama3-v:a100:3 --compare ring,ring-repeated --plan
  fovea traffic --ranks 4 --sq 64 --skv 4096 --mask causal-frames:16 --compare ring
  fovea traffic --preset llama3-v:a100:3 --mask causal-frames --compare ring --plan
  fovea traffic --preset openflamingo-3b:a30 --scale auto --link-bandwidth 1.25G --link-latency 20us --compare ring

${exitCodeText}
`;
