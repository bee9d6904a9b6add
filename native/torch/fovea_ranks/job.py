"""What one trace is made of: a workload and the schedules that run on it, from one or several JSON files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .progress import RunError
from .schedule import Schedule, digest, load, parse_schedule


@dataclass(frozen=True)
class Job:
    """`schedules` share shape and shards; `expected[i]` is {kind: [bytes per rank]} of the closed formulas, if given."""

    name: str
    schedules: List[Schedule]
    expected: List[Optional[Dict[str, List[int]]]]
    workload: Dict[str, Any]
    visible: Optional[List[List[int]]]
    digest: str

    def groups(self) -> List[List[int]]:
        """Indices that run on one state: a backward pass follows the forward pass of its algorithm."""
        groups: List[List[int]] = []
        for index, schedule in enumerate(self.schedules):
            if schedule.pass_name == "backward":
                before = self.schedules[groups[-1][-1]] if groups else None
                if before is None or before.pass_name != "forward" or not _same_variant(before, schedule):
                    raise RunError(
                        "schedule",
                        f"The backward schedule of {schedule.algorithm} has no forward schedule before it.",
                        "Give the forward schedule of the same algorithm and options first.",
                    )
                groups[-1].append(index)
            else:
                groups.append([index])
        return groups


def load_job(paths: List[str]) -> Job:
    """@raises RunError schedule, sizes"""
    texts, schedules, expected = [], [], []
    workload: Dict[str, Any] = {}
    visible: Optional[List[List[int]]] = None
    for path in paths:
        text, raw = load(path)
        texts.append(text)
        entries = raw.get("schedules") if isinstance(raw, dict) and "schedules" in raw else [raw]
        if isinstance(raw, dict):
            workload = raw.get("workload", workload)
            visible = raw.get("visible", visible)
        for entry in entries if isinstance(entries, list) else [None]:
            schedules.append(parse_schedule(entry, os.path.basename(path)))
            expected.append(entry.get("expectedBytes"))
    first = schedules[0]
    for schedule in schedules[1:]:
        if _sizes(schedule) != _sizes(first):
            raise RunError(
                "sizes",
                f"The schedules of one trace share one workload, but {schedule.label()} has other sizes than {first.label()}.",
                "Run them one by one, or with --bench.",
            )
    if visible is not None and len(visible) != sum(first.query_rows):
        raise RunError("sizes", f"There are {len(visible)} visible ranges for {sum(first.query_rows)} query rows.")
    name = os.path.splitext(os.path.basename(paths[0]))[0]
    job = Job(name, schedules, expected, workload or _plain_workload(first, name), visible, digest(texts))
    job.groups()
    return job


def _sizes(schedule: Schedule) -> tuple:
    raw = schedule.raw
    return (raw["shape"], raw["sharding"], raw["wire"]["element"])


def _same_variant(one: Schedule, other: Schedule) -> bool:
    return (one.algorithm, one.raw["wire"]) == (other.algorithm, other.raw["wire"])


def _plain_workload(schedule: Schedule, name: str) -> Dict[str, Any]:
    return {
        "name": name,
        "source": "sizes",
        "shape": schedule.raw["shape"],
        "sharding": schedule.raw["sharding"],
        "element": schedule.raw["wire"]["element"],
        "layers": 1,
        "mask": "none",
    }
