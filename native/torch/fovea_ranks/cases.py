"""What one start of the ranks works through: one job as the options say, or a list of cases from a file."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional

from .job import Job, load_job
from .link import SlowLink
from .progress import RunError
from .schedule import Schedule

# What a rank is assumed to do per second when a case's duration is guessed; guesses only order and omit work.
_ASSUMED_FLOPS = {"cuda": 60e12, "cpu": 10e9}
_ASSUMED_BANDWIDTH, _CASE_SECONDS = {"cuda": 100e9, "cpu": 1e9}, 2.5
CHECKS = ("full", "outputs", "none")


@dataclass(frozen=True)
class Activations:
    """A stack of cross-attention layers to train for one step. Widths of x and y."""

    layers: int
    text_width: int
    visual_width: int


@dataclass(frozen=True)
class Case:
    """`out` is where the trace goes, or the JSON of `activations`. `check`: "full" with gradients, "outputs", or "none"."""

    name: str
    job: Job
    out: str
    repeat: int
    warmup: int
    check: str
    slow: Optional[SlowLink] = None
    activations: Optional[Activations] = None

    def passes(self) -> int:
        return self.repeat + self.warmup + (self.check != "none")

    def guessed_seconds(self, device: str) -> float:
        """Of one rank; the slowest counts."""
        bandwidth = self.slow.bandwidth if self.slow else _ASSUMED_BANDWIDTH[device]
        total = 0.0
        for schedule in self.job.schedules:
            sent = max(schedule.total_bytes(rank) for rank in range(schedule.ranks))
            total += sent / bandwidth + _flops(schedule) / _ASSUMED_FLOPS[device]
        times = 4 * self.activations.layers if self.activations else self.passes()
        return _CASE_SECONDS + total * times


def _flops(schedule: Schedule) -> float:
    """Of one rank."""
    pairs = sum(schedule.query_rows) * sum(schedule.key_rows) / schedule.ranks
    return (4 if schedule.pass_name == "forward" else 10) * pairs * schedule.query_heads * schedule.head_size


def case_of_options(options: argparse.Namespace) -> Case:
    job = load_job(options.schedule)
    first = job.schedules[0]
    width = options.text_width or first.query_heads * first.head_size
    activations = Activations(options.activations, width, options.visual_width or width) if options.activations else None
    slow = SlowLink(options.latency, options.throttle * 1e9) if options.throttle else None
    check = "full" if options.check else "none"
    return Case(job.name, job, options.out, options.repeat, options.warmup, check, slow, activations)


def load_cases(path: str) -> List[Case]:
    """A JSON list of {name, job, out, repeat, warmup, check, throttle?, algorithms?, activations?}. @raises RunError"""
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
        return [_case(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError("usage", f"{path} is no list of cases: {error}.", "See fovea_ranks/cases.py.") from error


def _case(entry: Dict[str, Any]) -> Case:
    job = load_job([entry["job"]])
    wanted = entry.get("algorithms")
    if wanted is not None:
        job = chosen(job, wanted)
    slow = SlowLink(0.0, entry["throttle"] * 1e9) if entry.get("throttle") else None
    activations = Activations(**entry["activations"]) if entry.get("activations") else None
    if entry["check"] not in CHECKS:
        raise ValueError(f"check is {entry['check']}")
    return Case(
        entry["name"], job, entry["out"], entry["repeat"], entry["warmup"], entry["check"], slow, activations
    )


def variant(schedule: Schedule) -> str:
    return f"{schedule.algorithm}{'-repeated' if schedule.repeated else ''}"


def chosen(job: Job, variants: List[str]) -> Job:
    """The schedules of these variants only."""
    kept = [index for index, schedule in enumerate(job.schedules) if variant(schedule) in variants]
    if not kept:
        raise RunError("schedule", f"{job.name} has none of {', '.join(variants)}.")
    return replace(
        job, schedules=[job.schedules[index] for index in kept], expected=[job.expected[index] for index in kept]
    )


@dataclass(frozen=True)
class TimeLimit:
    """A soft one: no case begins that is not guessed to end in time. `ends` is of the host's monotonic clock."""

    ends: float

    def leaves(self, seconds: float) -> bool:
        return time.monotonic() + seconds <= self.ends
