"""Compares what a rank has with the same attention on one device, while an untimed pass runs."""

from __future__ import annotations

import math
from typing import Callable, Dict, List, Optional, Tuple

import torch

from .coverage import Coverage
from .inputs import Inputs
from .rank_state import Piece, RankState
from .reference import (
    Agreement,
    compare,
    reference_gradients,
    reference_rows,
    sampled_gradients,
    sampled_rows,
)
from .schedule import Schedule

# (row, key) pairs per block and head up to which every row is compared; gradients are compared up to the second figure.
_EVERY_ROW, _EVERY_GRADIENT = 1 << 22, 1 << 24
# Up to this many (row, key, head) the normalisers of all rows are affordable, and with them gradients at sampled rows.
_SAMPLED_GRADIENT = {"cuda": 1 << 36, "cpu": 1 << 27}
_SAMPLES = 16
_TOLERANCE = {torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}
_PREFIX_RANKS, _COVERAGE_RANKS = 16, 64
_LEAST_COSINE = 0.999


# Output and log-sum-exp of a block over some shards, at all rows or at the sampled ones.
References = Dict[Tuple[int, Tuple[int, ...], bool], Tuple[torch.Tensor, torch.Tensor]]


class Verification:
    """One rank's comparisons of one group of runs on the same state."""

    def __init__(
        self, inputs: Inputs, rank: int, emit: Callable[[dict], None], references: References, with_gradients: bool
    ) -> None:
        """`references` is shared by all runs of one workload, which have the same inputs."""
        self._inputs, self._rank, self._emit = inputs, rank, emit
        self._references = references
        self._coverage: Optional[Coverage] = None
        self._merges = 0
        schedule = inputs.schedule
        pairs = max(schedule.query_rows) * sum(schedule.key_rows)
        self._rows = sampled_rows(max(schedule.query_rows), pairs, _EVERY_ROW)
        scores = sum(schedule.query_rows) * sum(schedule.key_rows) * schedule.query_heads
        self._gradients = with_gradients and scores <= _EVERY_GRADIENT
        self._sampled_gradients = with_gradients and scores <= _SAMPLED_GRADIENT.get(inputs.device.type, 0)
        self._tolerance = _TOLERANCE[schedule.element] * max(1.0, inputs.query_scale)

    def begin(self, run: int, schedule: Schedule) -> None:
        self._run, self._merges = run, 0
        self._coverage = Coverage(schedule) if schedule.ranks <= _COVERAGE_RANKS else None
        self._prefix = schedule.pass_name == "forward" and schedule.ranks <= _PREFIX_RANKS

    def after_merge(self, round_number: int, kind: str, owner: int, parts: List[Piece]) -> None:
        """After t rounds a block's output must be attention over just the shards that the schedule says it has seen."""
        if kind != "O" or not self._prefix or self._coverage is None:
            return
        _, seen = self._coverage.merges[self._rank][self._merges]
        self._merges += 1
        for piece in parts:
            shards = seen.get((piece.first_head, piece.heads), [])
            self._compare_output(round_number, owner, piece, None, shards)

    def final_output(self, state: RankState) -> None:
        rank, schedule = self._rank, self._inputs.schedule
        if schedule.query_rows[rank] == 0:
            return
        statistic = state.parts("L", rank)
        everything = list(range(schedule.ranks))
        for piece in state.parts("O", rank):
            lse = statistic[-1].tensor if statistic and statistic[-1].heads == piece.heads else None
            self._compare_output(-1, rank, piece, lse, everything)

    def final_gradients(self, state: RankState) -> None:
        """dQ, dK and dV of this rank: by dense autograd where that is affordable, else at sampled rows."""
        schedule, rank = self._inputs.schedule, self._rank
        group = schedule.query_heads // schedule.key_value_heads
        samples: Dict[str, torch.Tensor] = {}
        if self._gradients:
            expected = {kind: found[rank] for kind, found in reference_gradients(self._inputs).items()}
            how = "dense autograd, float64"
        elif self._sampled_gradients:
            everything = tuple(range(schedule.ranks))
            finals = {block: self._reference(block, everything, True) for block in everything}
            queries, keys = _spread(schedule.query_rows[rank]), _spread(schedule.key_rows[rank])
            samples = {"dQ": queries, "dK": keys, "dV": keys}
            expected = sampled_gradients(self._inputs, rank, queries, keys, finals)
            how = f"gradients over everything, float64, {len(queries)} rows and {len(keys)} keys of each block"
        else:
            return
        for kind in ("dQ", "dK", "dV"):
            rows = (schedule.query_rows if kind == "dQ" else schedule.key_rows)[rank]
            parts = state.parts(kind, rank)
            if rows == 0 or not parts:
                continue
            found = parts[-1].tensor
            if kind != "dQ" and found.shape[1] != schedule.key_value_heads:
                found = found.unflatten(1, (schedule.key_value_heads, group)).sum(2)
            if samples:
                found = found[:, :, samples[kind].to(found.device)]
            self._say(-1, rank, kind, compare(found, expected[kind]), expected[kind], how)

    def _compare_output(
        self, round_number: int, owner: int, piece: Piece, lse: Optional[torch.Tensor], shards: List[int]
    ) -> None:
        expected, expected_lse = self._reference(owner, tuple(shards), False)
        heads = slice(piece.first_head, piece.first_head + piece.heads)
        found = piece.tensor
        rows = self._rows_of(owner)
        if rows is not None:
            found = found[:, :, rows.to(found.device)]
            lse = None if lse is None else lse[:, :, rows.to(lse.device)]
        dead = torch.isinf(expected_lse).all(1).flatten() if expected_lse.numel() else None
        result = compare(found, expected[:, heads], lse, expected_lse[:, heads], dead)
        how = "every row" if rows is None else f"{len(rows)} rows of each block"
        self._say(round_number, owner, "O", result, expected[:, heads], f"one softmax over all keys, float64, {how}")

    def _reference(self, owner: int, shards: Tuple[int, ...], every_row: bool) -> Tuple[torch.Tensor, torch.Tensor]:
        known = (owner, shards, every_row)
        if known not in self._references:
            rows = None if every_row else self._rows_of(owner)
            self._references[known] = reference_rows(self._inputs, owner, list(shards), rows)
        return self._references[known]

    def _rows_of(self, owner: int) -> Optional[torch.Tensor]:
        if self._rows is None:
            return None
        return self._rows[self._rows < self._inputs.schedule.query_rows[owner]]

    def _say(
        self, round_number: int, owner: int, kind: str, result: Agreement, expected: torch.Tensor, reference: str
    ) -> None:
        largest = float(expected.abs().max()) if expected.numel() else 0.0
        tolerance = self._tolerance * max(1.0, largest)
        passed = (
            result.max_abs <= tolerance
            and (largest == 0 or result.cosine >= _LEAST_COSINE)
            and (math.isnan(result.lse_max_abs) or result.lse_max_abs <= self._tolerance * 10)
            and result.not_finite == 0
            and result.masked_non_zero == 0
        )
        self._emit(
            {
                "e": "agreement",
                "run": self._run,
                "rank": self._rank,
                "owner": owner,
                "round": round_number,
                "kind": kind,
                "maxAbs": result.max_abs,
                "relL2": result.rel_l2,
                "cosine": result.cosine,
                "lseMaxAbs": result.lse_max_abs,
                "notFinite": result.not_finite,
                "maskedNonZero": result.masked_non_zero,
                "tolerance": tolerance,
                "reference": reference,
                "passed": bool(passed),
            }
        )


def _spread(rows: int) -> torch.Tensor:
    """Evenly spread row numbers."""
    return torch.linspace(0, rows - 1, min(rows, _SAMPLES)).round().long().unique() if rows else torch.zeros(0).long()
