import { devices } from '../rpc.ts';
import { exitCodeText } from './exit-code-text.ts';

export const evalHelp = `Usage
  fovea eval QUESTIONS.jsonl --methods NAME,NAME… --budgets N,N… [options]

Asks every question of a set without pruning and with every method at every budget, and says what each costs in right
answers and saves in compute, memory and time. A line of the set is an object like
  {"image": "photo.jpg", "question": "What is this?", "answer": "a cat", "kind": "animals"}
with image paths relative to the set, "answer" a text or a list of texts of which each is right; "kind" and "id" may be
left out. An answer is right when it has the same characters, space around it left out.

  --methods LIST         token methods, separated by commas; NAME:paper or NAME:code for one variant,
                         NAME[KEY=VALUE KEY=VALUE] with parameters of its own, NAME+NAME for two together. NAME may be
                         the path of a module of your own (docs/own-methods.md)
  --budgets LIST         visual tokens. A budget of all tokens is no pruning, which runs anyway. Without budgets each
                         method runs once with its own parameters, and so do methods that take none
  --set METHOD.KEY=VALUE one parameter of a method; may be given several times
  --limit N              only the first N questions
  --jobs, -j N           runs at the same time, each in a process with its own model; times are then no fair measure.
                         Default: 1
  --out, -o DIR          where to. Default: fovea-runs/evaluation-SET. What is there already is not run again: after
                         Ctrl-C, a crash, or with more methods and budgets, the same command goes on. Results of another
                         set, model, version or code are moved aside
  --model, -m DIR        folder of a Hugging Face checkpoint. Default: fovea-tiny, which comes with Fovea
  --vision-tower DIR     see: fovea analyze --help
  --max-new-tokens N     the longest answer, in tokens. Default: 64
  --device, -d NAME      ${devices.join(', ')}. Default: cpu
  --threads, -t N        threads of each job. Default 0: the physical cores, at most 8, shared among the jobs
  --json                 print one JSON object: files, state, done, total, problems [{line, message}], results; or error
  --markdown             print a Markdown table: accuracy with small text apart, share of high-resolution tokens, E in,
                         MACs and times
  --help, -h             this text

It writes results.jsonl (every question and condition), summary.csv and summary.json (accuracy with 95 % intervals,
paired comparison with no pruning, E in and E out, MACs, bytes of the KV cache, milliseconds, by kind of question), and
evaluation.fovea, which opens as a chart in VS Code and makes a report: fovea report DIR/evaluation.fovea

Example, with the set that comes with Fovea
  fovea eval media/questions/questions.jsonl --methods mustdrop,fastv --budgets 192,128,64 --limit 100
  fovea eval media/questions/questions.jsonl --markdown --methods \
    'flexattention,flexattention[source=random],flexattention[source=all],llava-hd,llava-hd[side=1008]'

${exitCodeText}
`;
