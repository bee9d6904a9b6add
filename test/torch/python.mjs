// Finds the Python with PyTorch that runs the torch ranks, and on Debian installs one.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { runToStderr } from '../../setup.mjs';

const candidates = ['python3', '/usr/bin/python3', 'python'];

function hasTorch(interpreter) {
  const check = spawnSync(interpreter, ['-c', 'import torch, numpy, torch.distributed as d; assert d.is_available()']);
  return check.status === 0;
}

/** An interpreter that imports torch and numpy, or undefined. The variable FOVEA_PYTHON goes first and must then be right. */
export function findPython() {
  const named = process.env.FOVEA_PYTHON;
  if (named) return hasTorch(named) ? named : undefined;
  return candidates.find(hasTorch);
}

/** As findPython, but installs the Debian package when it can. Throws with what to do when it cannot. */
export async function ensurePython() {
  const found = findPython();
  if (found) return found;
  if (!process.env.FOVEA_PYTHON && existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    process.stderr.write('fovea: Installing python3-torch (apt-get) …\n');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await runToStderr('apt-get', ['update', '-qq'], { env });
    await runToStderr(
      'apt-get',
      ['install', '-y', '-qq', '--no-install-recommends', 'python3-torch', 'python3-numpy'],
      {
        env,
      },
    );
    const installed = findPython();
    if (installed) return installed;
  }
  throw new Error(
    process.env.FOVEA_PYTHON
      ? `FOVEA_PYTHON is ${process.env.FOVEA_PYTHON}, which cannot import torch and numpy. Set it to a Python that can.`
      : 'These tests need a Python 3.9 or newer with PyTorch. Install it (Debian: apt-get install python3-torch; elsewhere: pip install torch numpy), or set FOVEA_PYTHON to its path.',
  );
}
