/** Help that a person can learn from. */
import { devices } from '../rpc.ts';
import { version } from '../version.ts';
import { exitCodeText } from './exit-code-text.ts';

export const versionText = `fovea ${version}`;

export const mainHelp = `${versionText}: shows what a vision-language model looks at

It runs a model on your image and question, here on your machine, and writes a trace: where every word of the
answer looked, for every layer and head.

Usage
  fovea analyze IMAGE QUESTION [options]   run the model, show the answer and a map, write a trace
  fovea inspect TRACE [--json]             say what a trace contains, and check its numbers
  fovea report TRACE … [options]           make a document of a run, or of several compared, that opens anywhere
  fovea eval QUESTIONS.jsonl [options]     compare methods and budgets over a question set
  fovea reproduce REPORT [options]         run a trace or report again and say whether it comes out the same
  fovea methods                            list the token methods and their parameters
  fovea plan --shape MODEL --method NAME   say what a method would cost on a model that is not here
  fovea traffic [options]                  run cross-attention on several ranks and record what they send each other
  fovea COMMAND --help                     everything about a command
  fovea --version

Examples
  fovea analyze photo.jpg "What is on the table?"
  fovea analyze scan.png "What does the sign say?" --model ~/models/llava-1.5-7b-hf
  fovea inspect fovea-runs/photo-20260131-120000.fovea

Traces are safetensors files: open them in VS Code with the Fovea extension, or in Python.

${exitCodeText}
`;

export const analyzeHelp = `Usage
  fovea analyze IMAGE QUESTION [options]
  fovea analyze IMAGE --question QUESTION [options]
  fovea analyze --image FRAME --image FRAME ... QUESTION --method llava-xattn [options]

Asks a vision-language model one question about one image. IMAGE is a PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG file.

What to run
  --question, -q TEXT    the question, if it is not the second argument
  --image, -i FILE       an image, an animated GIF or WebP, or a folder of frames; may be repeated. All frames are read
                         with --method llava-xattn, by a model that has the weights; other methods read one image
  --model, -m DIR        folder of a Hugging Face checkpoint of the LLaVA-1.5 kind: a CLIP vision tower and a Llama,
                         Mistral or Qwen2 decoder, with config.json, *.safetensors and tokenizer.json.
                         Default: fovea-tiny, which comes with Fovea and knows rendered scenes only
  --vision-tower DIR     the CLIP checkpoint of a model in the layout of LLaVA's own repository, or a folder in which it
                         lies; needed where that is not in the model's folder or beside it
  --device, -d NAME      ${devices.join(', ')}. Default: cpu
  --threads, -t N        threads of the CPU. Default 0: one per physical core, at most 8

How to answer
  --max-new-tokens N     the longest answer, in tokens. Default: 64
  --temperature T        0 always takes the most probable token; above 0 draws. Default: 0
  --top-p P              draws among the fewest tokens that have this probability together. Default: 1
  --seed N               the same seed draws the same answer. Default: 0

Which visual tokens to keep
  --method NAME          a token method, or the path of a module of your own (docs/own-methods.md); without one, all
                         visual tokens run. flexattention fetches high-resolution tokens as well, alone or beside
                         another: mustdrop+flexattention. llava-xattn reads a high-resolution image, or frames, through
                         cross-attention
  --variant code|paper   as the official code behaves, or as the publication says, where they differ
  --budget N             visual tokens, mean over the decoder's layers
  --set NAME=VALUE       a parameter of the method; may be repeated. Of the second one: flexattention.count=58

What comes out
  --out, -o FILE         the trace. Default: fovea-runs/IMAGE-DATE-TIME.fovea in the current folder
  --json                 print one JSON object instead of text, also for errors:
                         answer, tokens [{id, text, logprob, alternatives}] with the end token, promptTokens (all
                         positions before the answer, visual ones counted), visualTokens, ms {load, vision, prefill,
                         decode, total}, trace, model, bundledModel, state, method, variant, visualTokensPerLayer
                         {entering, leaving}, macs {formula, prefill, decode}, kvBytes; or error {code, message, hint}
  --help, -h             this text

Progress is shown on stderr if that is a terminal. Ctrl-C stops after the layer that is running and keeps what was
answered; a second Ctrl-C stops at once. NO_COLOR turns colours off, FORCE_COLOR=1 (256) or 3 (all) turns them on.

Examples
  fovea analyze photo.jpg "What is on the table?"
  fovea analyze photo.jpg -q "Describe this picture." --max-new-tokens 200 --temperature 0.7 --seed 3
  fovea analyze photo.jpg "How many birds are there?" --json | jq -r .answer

${exitCodeText}
`;

export const inspectHelp = `Usage
  fovea inspect TRACE [--json]

Says what a trace contains: the run, and every tensor with type, shape, unit, size, meaning and range. Probabilities are
summed: every row must give 1 within the tolerance that the trace states. All of the file is read, block by block.

  --json       print one JSON object: metadata, tensors, checks, ok
  --help, -h   this text

The same in Python:
  import json, safetensors
  run = safetensors.safe_open("run.fovea", "numpy")
  metadata = json.loads(run.metadata()["fovea"])
  attention = run.get_tensor("decoder.attention_to_image")   # [rows, layers, heads, visual tokens]

${exitCodeText}
`;

export const reportHelp = `Usage
  fovea report TRACE [options]
  fovea report TRACE TRACE … [options]

Makes a document of one run: question, answer, where every answer token looked, what every layer read from, and all
that is needed to run it again. Of several runs (2 to 8) it makes a comparison: answers token by token, where each looked
on one scale, what each kept and cost, and what was done differently. Of an evaluation (evaluation.fovea) it charts
accuracy against cost, of traffic between ranks who sent what to whom and when. Reads the traces only; no model is
needed.

  --out, -o FILE       where to; replaced if it exists. Default: the first trace's name with the format's ending
  --format, -f NAME    html, pdf, md, json or csv. Default: the ending of FILE, else html
                       html   one file that opens offline, from disk: readable without scripts, prints well, and with
                              the panel of VS Code over the numbers of the trace
                       pdf    the same on paper, printed by an installed Chromium, Chrome or Edge (or $CHROMIUM)
                       md     Markdown, with its pictures in the folder FILE-images beside it
                       json   the run's description and every number but the attention per patch and head
                       csv    of a run: tokens with probabilities, and FILE-masses.csv with every row, layer and head;
                              of a comparison: costs, and FILE-tokens.csv with the aligned tokens
  --json               print one JSON object: files, bytes, format; or error {code, message, hint}
  --help, -h           this text

A report names the image's path and the model's folder, so that it can be run again: look at "How it was made" before
you pass it on.

Examples
  fovea report fovea-runs/photo-20260131-120000.fovea
  fovea report run.fovea --out figures/apple.html
  fovea report plain.fovea mustdrop.fovea --out comparison.pdf

${exitCodeText}
`;

export const reproduceHelp = `Usage
  fovea reproduce REPORT [options]

Runs again what a trace (*.fovea) or a report of it (html or json) holds, from its own description. Nothing is written.

A run: says whether the tokens agree exactly, and how far the log-probabilities are apart (they disagree above 0.01).
Image and model must be the same: before anything is run, the digest of the image and of every file that the run read of
the model is compared, and the one that differs is named.

A comparison: every run in it, one after the other. What cannot be run, because its image or model changed or is gone,
is told by the run's name, and the others go on.

Traffic: sends it again on ranks of this machine and compares the bytes of every kind and rank exactly, and how well the
result agrees with one device, within the tolerance that the trace states. Times are shown, never compared. Images and
model must be the same. For what torch.distributed ranks sent, the command that makes it again is told.

An evaluation: asks its first 20 questions again under every condition and compares answer by answer, with the visual
tokens that each kept. Question set, model and version of Fovea must be the same; what changed is told.

  --image, -i FILE   where the image is now, where it is one. Default: where it was
  --model, -m DIR    where the model is now. Default: where it was
  --vision-tower DIR see: fovea analyze --help
  --run N            only one run of a comparison, counted from 1
  --limit N          how many questions of an evaluation are asked again. Default: 20
  --set FILE         where the question set is now. Default: where it was
  --json             print one JSON object: tokensAgree, numbersAgree, firstDifference, compared, largestLogprobDifference,
                     largestAlternativeDifference, before, now, changes; or error {code, message, hint}.
                     Of a comparison: agree, runs [{name, agrees, and these}]. Of traffic: agree, answer, brokenOff, changes,
                     runs [{name, bytesAgree, bytesThatDiffer, numbersAgree, agreement, failedChecks, seconds}]. Of an
                     evaluation: agree, questions, allQuestions, compared, differences [{condition, question, before, now}]
  --help, -h         this text

The exit code is 0 when everything agrees and 1 when anything does not; of a comparison in which nothing disagrees, that
of the first run that could not be run.

${exitCodeText}
`;
