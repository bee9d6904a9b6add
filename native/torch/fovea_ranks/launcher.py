"""torchrun, started from here: one process per rank on this host, all ended when one fails."""

from __future__ import annotations

import argparse
import os
import socket
from typing import List

from .progress import RunError, say


def launch(options: argparse.Namespace, words: List[str]) -> int:
    """Returns the exit code of the rank that failed first, 0 when none did."""
    # Ranks of one host share its cores; torchrun would set 1 and warn about it.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // options.ranks)))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_package_folder(), os.environ.get("PYTHONPATH", "")]))
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    _mend_output_options()
    arguments = ["--nproc_per_node", str(options.ranks), "--nnodes", str(options.hosts), "--node_rank", str(options.host)]
    arguments += ["--master_addr", options.address, "--master_port", str(options.port or _free_port())]
    arguments += ["--monitor_interval", "0.2", "-m", "fovea_ranks", *words]
    try:
        run.run(run.parse_args(arguments))
        return 0
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode
        if code in RunError.exit_codes.values() and code != 1:
            return code
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        lost = RunError("rank-lost", f"Rank {rank} ended {how}.", "Its last words are above.", rank)
        say("error", **lost.as_line())
        return lost.exit_code
    except Exception as error:
        # torchrun's own class for a signal has moved between versions.
        if type(error).__name__ == "SignalException":
            return RunError.exit_codes["cancelled"]
        raise RunError(
            "rank-missing",
            f"torchrun could not start the ranks: {str(error).strip().splitlines()[-1][:200] if str(error) else type(error).__name__}.",
            "With several hosts, start the same command on each of them, with its own --host.",
        ) from error


def _mend_output_options() -> None:
    """PyTorch 1.13 under Python 3.11 (Debian 12) finds no name for the flag 0, which is the default of --redirects."""
    from torch.distributed.elastic.multiprocessing import api

    if api.Std.from_str("0") is not None:
        return
    original = api.Std.from_str
    api.Std.from_str = classmethod(lambda _, text: api.Std.NONE if text == "0" else original(text))


def _package_folder() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
