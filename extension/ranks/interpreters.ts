/** Which Pythons there are, and whether ranks can run on them. */
import { execFile } from 'node:child_process';
import { isRecord } from '../../trace/safetensors.ts';

/** What is wrong with a program: a word of ours, or what it said itself. */
export type InterpreterProblem =
  { readonly kind: 'missing' | 'silent' | 'notDistributed' } | { readonly kind: 'said'; readonly text: string };

export interface InterpreterFacts {
  readonly python: string;
  /** Version of PyTorch; undefined when it cannot be imported, `problem` says why. */
  readonly torch: string | undefined;
  readonly problem: InterpreterProblem | undefined;
  readonly gpus: readonly string[];
}

const probe = `
import json, platform
facts = {"python": platform.python_version(), "torch": None, "problem": None, "gpus": []}
try:
    import numpy, torch, torch.distributed
    if torch.distributed.is_available():
        facts["torch"] = torch.__version__
        if torch.cuda.is_available():
            facts["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    else:
        facts["notDistributed"] = True
except Exception as error:
    facts["problem"] = str(error).strip().split(chr(10))[0]
print(json.dumps(facts))
`;

/** Importing PyTorch from a cold disk takes long, but not this long. Milliseconds. */
const patience = 30_000;

/** @returns what it is; a `problem` when it is no Python, or does not answer */
export function probeInterpreter(interpreter: string): Promise<InterpreterFacts> {
  const nothing = (problem: InterpreterProblem): InterpreterFacts => ({
    python: '',
    torch: undefined,
    problem,
    gpus: [],
  });
  return new Promise(resolve => {
    execFile(interpreter, ['-c', probe], { timeout: patience, windowsHide: true }, (error, stdout, stderr) => {
      const facts = parseFacts(stdout);
      if (facts) resolve(facts);
      else if (error && 'code' in error && error.code === 'ENOENT') resolve(nothing({ kind: 'missing' }));
      else resolve(nothing(said(stderr.trim().split('\n').at(-1)?.slice(0, 160)) ?? { kind: 'silent' }));
    });
  });
}

function parseFacts(stdout: string): InterpreterFacts | undefined {
  try {
    const value: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    if (!isRecord(value) || typeof value['python'] !== 'string') return undefined;
    const { python, torch, problem, gpus, notDistributed } = value;
    return {
      python,
      torch: typeof torch === 'string' ? torch : undefined,
      problem: notDistributed === true ? { kind: 'notDistributed' } : said(problem),
      gpus: Array.isArray(gpus) ? gpus.filter((gpu): gpu is string => typeof gpu === 'string') : [],
    };
  } catch {
    return undefined;
  }
}

function said(text: unknown): InterpreterProblem | undefined {
  return typeof text === 'string' && text !== '' ? { kind: 'said', text } : undefined;
}

/** Interpreters that a machine is likely to have, after those that the user named. */
export function likelyInterpreters(named: readonly (string | undefined)[], platform: NodeJS.Platform): string[] {
  const usual = platform === 'win32' ? ['python', 'py'] : ['python3', '/usr/bin/python3'];
  return [...new Set([...named, ...usual])].filter((path): path is string => path !== undefined && path.trim() !== '');
}

/**
 * E.g. "PyTorch 2.4.0, 2 × NVIDIA H200"
 * @param noGpu said where there is none, in the user's language
 */
export function factsSentence({ torch, gpus }: InterpreterFacts, noGpu: string): string {
  const counts = new Map<string, number>();
  for (const gpu of gpus) counts.set(gpu, (counts.get(gpu) ?? 0) + 1);
  const devices = [...counts].map(([name, count]) => `${count} × ${name}`);
  return [`PyTorch ${torch ?? '–'}`, devices.length > 0 ? devices.join(', ') : noGpu].join(', ');
}
