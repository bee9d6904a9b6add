"""Events of all ranks as the tables of a traffic trace (trace/traffic/ledger.ts), on one time line."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Tuple

import numpy

from .schedule import COMPUTE_KINDS, PASSES, TENSOR_KINDS, Schedule

MEMORY = ("keyValue", "query", "output", "statistics", "gradient", "inFlight", "scratch")
Interval = Tuple[float, float]


class RunLedger:
    """One repeat of one run: times in nanoseconds since its common start, NaN where something did not happen any more."""

    def __init__(self, index: int, schedule: Schedule, events: List[dict], offsets: List[int]) -> None:
        self.index, self.schedule = index, schedule
        # Where the work was enqueued behind a pause, time starts after the pause.
        begins = [event["at"] + offsets[event["rank"]] for event in events if event["e"] == "launched"]
        begins = begins or [event["at"] + offsets[event["rank"]] for event in events if event["e"] == "begin"]
        ends = [event["at"] + offsets[event["rank"]] for event in events if event["e"] == "end"]
        self._origin = min(begins) if begins else 0
        self.ended_ranks = len(ends)
        self.total = (max(ends) - self._origin) / 1e9 if ends else math.nan
        self._offsets = offsets
        self.transfers = self._join(events)
        self.computes = [self._timed(event) for event in events if event["e"] == "compute"]
        self.waits = [self._timed(event) for event in events if event["e"] == "wait"]
        self.memory = [self._timed(event) for event in events if event["e"] == "memory"]

    def _at(self, stamp: float, rank: int) -> float:
        return stamp + self._offsets[rank] - self._origin

    def _timed(self, event: dict) -> dict:
        rank = event["rank"]
        return {**event, "started": self._at(event["started"], rank), "ended": self._at(event["ended"], rank)}

    def _join(self, events: List[dict]) -> List[Dict[str, Any]]:
        """Sender and receiver each saw one end of a message."""
        joined: Dict[tuple, Dict[str, Any]] = {}
        for event in events:
            if event["e"] == "posted":
                kind, owner, source, destination, first_head, hop = event["key"]
                joined[tuple(event["key"])] = {
                    "kind": kind,
                    "owner": owner,
                    "source": source,
                    "destination": destination,
                    "hop": hop,
                    "round": event["round"],
                    "bytes": event["bytes"],
                    "home": event["home"],
                    # Enqueued ahead of time: as far as the run is concerned, at its start.
                    "posted": max(0.0, self._at(event["at"], source)),
                    "started": math.nan,
                    "ended": math.nan,
                }
        for event in events:
            if event["e"] in ("started", "ended") and tuple(event["key"]) in joined:
                rank = event["key"][2 if event["e"] == "started" else 3]
                joined[tuple(event["key"])][event["e"]] = self._at(event["at"], rank)
        return sorted(joined.values(), key=lambda message: message["posted"])

    def sent(self) -> Dict[str, List[int]]:
        by_kind: Dict[str, List[int]] = {}
        for message in self.transfers:
            per_rank = by_kind.setdefault(message["kind"], [0] * self.schedule.ranks)
            per_rank[message["source"]] += message["bytes"]
        return by_kind

    def times(self) -> Dict[str, Any]:
        """Seconds per rank, of unions of intervals."""
        ranks = range(self.schedule.ranks)
        compute = [_intervals(self.computes, rank) for rank in ranks]
        communication = [
            [
                (message["started"], message["ended"])
                for message in self.transfers
                if rank in (message["source"], message["destination"]) and message["ended"] > message["started"]
            ]
            for rank in ranks
        ]
        waits = [_intervals(self.waits, rank) for rank in ranks]
        return {
            "total": self.total,
            "compute": [length(each) / 1e9 for each in compute],
            "communication": [length(each) / 1e9 for each in communication],
            "exposed": [(length(x + c) - length(c)) / 1e9 for c, x in zip(compute, communication)],
            "stall": [length(each) / 1e9 for each in waits],
        }

    def counted_peaks(self) -> List[int]:
        peaks = [0] * self.schedule.ranks
        for event in self.memory:
            peaks[event["rank"]] = max(peaks[event["rank"]], sum(event[category] for category in MEMORY))
        return peaks

    def overlap_problem(self) -> str:
        """A rank never computes while its compute lane stalls, and no part is longer than the whole. Empty when so."""
        for rank in range(self.schedule.ranks):
            compute, waits = _intervals(self.computes, rank), _intervals(self.waits, rank)
            together = (length(compute) + length(waits)) / 1e9
            both = together - length(compute + waits) / 1e9
            # GPU events have a resolution of half a microsecond each.
            slack = 1e-6 * (len(compute) + len(waits) + 2)
            if both > slack:
                return f"rank {rank} computed for {both:.6f} s while it stalled"
            if together > self.total + slack:
                return f"rank {rank} was busy for {together:.6f} s of {self.total:.6f} s"
        return ""


def tables(runs: List[RunLedger], agreements: List[Dict[str, Any]]) -> Dict[str, numpy.ndarray]:
    """[events, columns] float64 each, in the order of the columns of trace/traffic/ledger.ts."""
    transfers: List[list] = []
    computes: List[list] = []
    waits: List[list] = []
    memory: List[list] = []
    for run in runs:
        passing = PASSES.index(run.schedule.pass_name)
        for event in run.transfers:
            transfers.append(
                [run.index, 0, passing, event["round"], TENSOR_KINDS.index(event["kind"]), event["owner"]]
                + [event["source"], event["destination"], event["bytes"], event["hop"], event["home"]]
                + [event["posted"], event["started"], event["ended"]]
            )
        for event in run.computes:
            computes.append(
                [run.index, 0, passing, event["round"], event["rank"], COMPUTE_KINDS.index(event["kind"])]
                + [event["owner"], event["keyOwner"], event["flops"], event["rowsVisible"], event["skipped"]]
                + [event["started"], event["ended"]]
            )
        for event in run.waits:
            waits.append(
                [run.index, event["round"], event["rank"], TENSOR_KINDS.index(event["kind"]), event["owner"]]
                + [event["started"], event["ended"]]
            )
        for event in run.memory:
            memory.append([run.index, event["rank"], event["started"]] + [event[category] for category in MEMORY])
    agreement = [
        [event["run"], event["rank"], event["owner"], event["round"], TENSOR_KINDS.index(event["kind"])]
        + [event["maxAbs"], event["relL2"], event["cosine"], event["lseMaxAbs"]]
        + [event["notFinite"], event["maskedNonZero"]]
        for event in agreements
    ]
    named = {
        "traffic.transfers": transfers,
        "traffic.computes": computes,
        "traffic.waits": waits,
        "traffic.memory": memory,
        "traffic.agreement": agreement,
    }
    return {name: numpy.array(rows, dtype="<f8") for name, rows in named.items() if rows}


def _intervals(events: List[dict], rank: int) -> List[Interval]:
    return [(event["started"], event["ended"]) for event in events if event["rank"] == rank]


def length(intervals: List[Interval]) -> float:
    """Of the union."""
    total, reached = 0.0, -math.inf
    for start, end in sorted(intervals):
        if end > reached:
            total += end - max(start, reached)
            reached = end
    return total
