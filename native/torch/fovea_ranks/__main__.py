"""Command line: starts ranks through torchrun, or is one of them. Needs torch and numpy, nothing else."""

from __future__ import annotations

import argparse
import math
import os
import sys

from .progress import RunError, say

_EPILOG = """examples:
  python -m fovea_ranks --ranks 4 --schedule lv.json --out lv.fovea
  torchrun --nproc_per_node 8 -m fovea_ranks --schedule lv.json ring.json --out both.fovea --repeat 5 --warmup 2
  python -m fovea_ranks --ranks 8 --hosts 2 --host 0 --address HOST --port 29500 --schedule lv.json --out lv.fovea
  (the last one on every host, with its own --host and the same schedule; 16 ranks in all)"""


def parse(words: "list[str]") -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fovea_ranks",
        description="Runs the schedules of fovea traffic on torch.distributed ranks and writes a trace.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--schedule", nargs="+", metavar="FILE", help="schedules of one workload, run one after the other")
    what.add_argument("--cases", metavar="FILE", help="a list of jobs and how to run each (fovea_ranks/cases.py)")
    parser.add_argument("--out", help="the trace to write, *.fovea; with --cases each has its own")
    parser.add_argument("--ends", type=float, default=math.inf, help=argparse.SUPPRESS)
    parser.add_argument("--end-with-parent", action="store_true", help="end when the process that started this ends")
    parser.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ranks", type=int, help="start this many ranks on this host, as torchrun does")
    parser.add_argument("--hosts", type=int, default=1, help="hosts that take part, with as many ranks each (1)")
    parser.add_argument("--host", type=int, default=0, help="which of them this one is, from 0")
    parser.add_argument("--address", default="127.0.0.1", help="address of host 0")
    parser.add_argument("--port", type=int, default=0, help="a free port of host 0 (any, with one host)")
    parser.add_argument("--repeat", type=int, default=1, help="timed passes; the median one is in the ledger (1)")
    parser.add_argument("--warmup", type=int, default=0, help="untimed passes before them (0)")
    parser.add_argument("--throttle", type=float, metavar="GB/S", help="emulate links of this bandwidth; marked simulated")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds per message with --throttle (0)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--query-scale", type=float, default=1.0, help="stretches queries, and so logits (1)")
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True, help="compare with one device (on)")
    parser.add_argument(
        "--activations",
        type=int,
        metavar="LAYERS",
        help="instead: train this many layers for one step with Q, K, V saved and recomputed; --out is then JSON",
    )
    parser.add_argument("--text-width", type=int, help="with --activations: width of x (heads times head size)")
    parser.add_argument("--visual-width", type=int, help="with --activations: width of y (as --text-width)")
    parser.add_argument("--join-timeout", type=float, default=30.0, metavar="S", help="wait this long for all ranks (30)")
    parser.add_argument("--silence", type=float, default=6.0, metavar="S", help="a rank silent this long is lost (6)")
    options = parser.parse_args(words)
    if options.out is None and not options.cases:
        parser.error("--out is missing")
    return options


def check(options: argparse.Namespace) -> None:
    """@raises RunError usage"""
    wrong = {
        "--ranks must be at least 1": options.ranks is not None and options.ranks < 1,
        "--repeat must be at least 1": options.repeat < 1,
        "--warmup must not be negative": options.warmup < 0,
        "--throttle must be above 0": options.throttle is not None and not options.throttle > 0,
        "--latency must not be negative": not options.latency >= 0,
        "--query-scale must be a number": not math.isfinite(options.query_scale),
    }
    for rule, broken in wrong.items():
        if broken:
            raise RunError("usage", f"{rule}.")


def main(words: "list[str]") -> int:
    options = parse(words)
    rank = int(os.environ.get("RANK", "-1"))
    try:
        check(options)
        if sys.version_info < (3, 9):
            raise RunError("usage", f"Python {sys.version.split()[0]} is too old: 3.9 or newer is needed.")
        try:
            import torch  # noqa: F401
            import torch.distributed as distributed
        except ImportError as error:
            raise RunError(
                "no-torch",
                f"{sys.executable} cannot import PyTorch: {error}.",
                "Install it (pip install torch numpy; Debian: apt install python3-torch) or choose another interpreter.",
                rank,
            ) from error
        if not distributed.is_available():
            raise RunError("no-torch", "This PyTorch was built without torch.distributed.", "Install another build.", rank)
        if rank < 0:
            if options.ranks is None:
                raise RunError("usage", "--ranks is missing: how many ranks are to be started?", "Or use torchrun.")
            if options.hosts > 1 and options.port == 0:
                raise RunError("usage", "--port is missing: with several hosts, name a free port of host 0.")
            from .cases import load_cases
            from .job import load_job

            if options.schedule:
                load_job(options.schedule)
            else:
                load_cases(options.cases)
            from .launcher import launch

            if options.end_with_parent:
                from .orphan import follow_parent

                follow_parent()

            return launch(options, words)
        from .run import main as run

        run(options)
        return 0
    except RunError as error:
        say("error", **error.as_line())
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
