"""What a trace says of its runs, and the assertions made after every run."""

from __future__ import annotations

import datetime
import platform
import statistics
import uuid
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import numpy
import torch

from .clock import ClockOffset
from .job import Job
from .ledger import RunLedger
from .link import SlowLink
from .members import Member
from .progress import RunError

PRODUCER = {"name": "fovea-ranks", "version": "0.1.0"}


@dataclass(frozen=True)
class Setting:
    """What is the same for all runs of one job."""

    job: Job
    members: List[Member]
    backend: str
    kernel: str
    slow: Optional[SlowLink]
    offsets: List[ClockOffset]
    warmups: int
    seed: int
    notes: List[str]


@dataclass(frozen=True)
class Outcome:
    """A run's chosen repeat, all repeats' totals, and what was compared."""

    ledger: RunLedger
    totals: List[float]
    agreements: List[Dict[str, Any]]
    peaks: Optional[List[int]]


def median_repeat(totals: Dict[int, float]) -> int:
    """The repeat whose time is the (lower) median."""
    middle = statistics.median_low(totals.values())
    return next(repeat for repeat, total in totals.items() if total == middle)


def describe(setting: Setting, outcomes: List[Outcome], failure: Optional[RunError]) -> Dict[str, Any]:
    """The trace's metadata. Runs that never began are left out."""
    runs = [_run(setting, outcome, failure) for outcome in outcomes]
    partial = any(run["status"]["state"] == "partial" for run in runs) or failure is not None
    state = {"state": "partial", "cause": _cause(failure)} if partial and failure else {"state": "complete"}
    # The workload of a job file says what its values are in the model; here they are noise of the same sizes.
    workload = {
        **setting.job.workload,
        "description": "Seeded normal noise of the workload's sizes",
        "seed": setting.seed,
    }
    return {
        "kind": "traffic",
        "schema": 1,
        "id": str(uuid.uuid4()),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "producer": PRODUCER,
        "status": state,
        "workload": workload,
        "runs": runs,
    }


def _run(setting: Setting, outcome: Outcome, failure: Optional[RunError]) -> Dict[str, Any]:
    ledger, schedule = outcome.ledger, outcome.ledger.schedule
    complete = ledger.ended_ranks == schedule.ranks
    sent = ledger.sent()
    per_rank = [sum(bytes_of[rank] for bytes_of in sent.values()) for rank in range(schedule.ranks)]
    expected = _expected(setting.job, ledger)
    run = {
        "algorithm": schedule.algorithm,
        "pass": schedule.pass_name,
        "wire": schedule.raw["wire"],
        "rounds": schedule.rounds,
        "status": {"state": "complete"}
        if complete
        else {"state": "partial", "cause": _cause(failure or RunError("internal", "The run did not end."))},
        "backend": _backend(setting),
        "links": _links(setting),
        "clock": {
            "source": "one monotonic clock" if _hosts(setting) == 1 else "ping-pong with rank 0",
            "errorNs": max(offset.error for offset in setting.offsets),
        },
        "repeats": {"warmups": setting.warmups, "totals": outcome.totals},
        "bytes": {
            "sentPerRank": per_rank,
            "sentByKind": sent,
            "expectedPerRank": [sum(kind[rank] for kind in expected.values()) for rank in range(schedule.ranks)],
        },
        "memory": {
            "peakPerRank": outcome.peaks or ledger.counted_peaks(),
            "method": "peak of PyTorch's CUDA allocator during the median repeat's pass"
            if outcome.peaks
            else "tensors that the run held, counted after every operation",
        },
        "checks": checks(setting.job, outcome, complete),
    }
    if complete:
        run["times"] = ledger.times()
    final = [event for event in outcome.agreements if event["round"] == -1]
    if final:
        run["agreement"] = {
            "maxAbs": max(event["maxAbs"] for event in final),
            "relL2": max(event["relL2"] for event in final),
            "cosine": min(event["cosine"] for event in final),
            "tolerance": max(event["tolerance"] for event in final),
            "reference": final[0]["reference"],
        }
    return run


def checks(job: Job, outcome: Outcome, complete: bool) -> List[Dict[str, Any]]:
    ledger = outcome.ledger
    found: List[Dict[str, Any]] = []

    def check(name: str, passed: bool, message: str) -> None:
        found.append({"name": name, "passed": bool(passed), "message": message})

    expected, sent = _expected(job, ledger), ledger.sent()
    if complete:
        source = "formulas" if job.expected[ledger.index] is not None else "schedule"
        wrong = [
            f"{kind} on rank {rank}: {sent.get(kind, [0] * len(row))[rank]} instead of {row[rank]}"
            for kind, row in expected.items()
            for rank in range(len(row))
            if sent.get(kind, [0] * len(row))[rank] != row[rank]
        ]
        wrong += [f"{kind} was not to be sent" for kind in sent if kind not in expected and any(sent[kind])]
        total = sum(map(sum, sent.values()))
        check("bytes", not wrong, "; ".join(wrong[:3]) or f"{total} bytes, as the {source} say{'s' if source == 'schedule' else ''}")
        problem = ledger.overlap_problem()
        check("overlap", not problem, problem or "no rank computed while it stalled, and no part is longer than the whole")
        homes = {}
        for message in ledger.transfers:
            if message["home"] and message["kind"] == "O":
                homes[message["owner"]] = message["destination"]
        stray = [owner for owner, rank in homes.items() if owner != rank]
        check("ownership", not stray, f"block {stray[0]} did not come home" if stray else "every block came home to its owner")
    final = [event for event in outcome.agreements if event["round"] == -1]
    before = [event for event in outcome.agreements if event["round"] >= 0]
    for name, events in (("agreement", final), ("prefix", before)):
        if events:
            worst = max(events, key=lambda event: event["maxAbs"])
            bad = [event for event in events if not event["passed"]]
            shown = bad[0] if bad else worst
            what = f"{shown['kind']} of {shown['owner']} on rank {shown['rank']}"
            when = "" if shown["round"] < 0 else f" after round {shown['round']}"
            bound = f"tolerance {shown['tolerance']:.2g}"
            check(name, not bad, f"largest difference {shown['maxAbs']:.3g} ({what}{when}), {bound}")
    return found


def _expected(job: Job, ledger: RunLedger) -> Dict[str, List[int]]:
    given = job.expected[ledger.index]
    if given is not None:
        return given
    by_kind: Dict[str, List[int]] = {}
    for rank in range(ledger.schedule.ranks):
        for message in ledger.schedule.sends(rank):
            by_kind.setdefault(message.kind, [0] * ledger.schedule.ranks)[rank] += message.bytes
    return by_kind


def _backend(setting: Setting) -> Dict[str, Any]:
    names = sorted({member.device_name for member in setting.members})
    return {
        "name": f"torch-{setting.backend}",
        "versions": {"torch": torch.__version__, "numpy": numpy.__version__, "python": platform.python_version()},
        "hardware": "; ".join(names + setting.notes),
        "hosts": _hosts(setting),
        "devices": [f"{member.host} {member.device}" for member in setting.members],
        "kernel": setting.kernel,
    }


def _links(setting: Setting) -> Dict[str, Any]:
    if setting.slow is not None:
        return {
            "simulated": True,
            "latency": setting.slow.latency,
            "bandwidth": setting.slow.bandwidth,
            "description": f"emulated: a message arrives no sooner than its size over {setting.slow.bandwidth / 1e9:g} GB/s",
        }
    through = {
        "nccl": "NCCL between GPUs",
        "gloo": "gloo through host memory",
    }[setting.backend]
    return {"simulated": False, "latency": 0, "bandwidth": None, "description": through}


def _hosts(setting: Setting) -> int:
    return len({member.host for member in setting.members})


def _cause(failure: RunError) -> Dict[str, Any]:
    cause: Dict[str, Any] = {"code": failure.code, "message": failure.message, "hint": failure.hint}
    if failure.rank >= 0:
        cause["rank"] = failure.rank
    return cause
