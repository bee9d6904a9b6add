"""Seeded inputs. Every block is a function of seed, kind and owner alone, so that any rank can make any block again and
check its result without one byte of extra traffic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Sequence, Tuple

import torch

from .schedule import TENSOR_KINDS, Schedule


@dataclass(frozen=True)
class Inputs:
    """Standard normal Q, K, V and dO. `query_scale` stretches Q, and with it the logits."""

    schedule: Schedule
    device: torch.device
    seed: int
    query_scale: float
    # One [first, last) of global key positions per global query row; None: everything is visible.
    visible: Optional[Sequence[Sequence[int]]]
    _intervals: Dict[int, Tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def block(self, kind: str, owner: int, dtype: Optional[torch.dtype] = None) -> torch.Tensor:
        """[1, heads, rows, dim] of the run's element type, as the owner holds it; converted to `dtype` only afterwards."""
        schedule = self.schedule
        of_keys = kind in ("K", "V")
        rows = (schedule.key_rows if of_keys else schedule.query_rows)[owner]
        heads = schedule.key_value_heads if of_keys else schedule.query_heads
        generator = torch.Generator(self.device)
        generator.manual_seed(self.seed * 1_000_003 + owner * len(TENSOR_KINDS) + TENSOR_KINDS.index(kind))
        tensor = torch.randn((1, heads, rows, schedule.head_size), generator=generator, device=self.device)
        if kind == "Q":
            tensor *= self.query_scale
        tensor = tensor.to(schedule.element)
        return tensor if dtype is None else tensor.to(dtype)

    def host_intervals(self, owner: int) -> Optional[torch.Tensor]:
        """int32 [rows, 2] of a query block."""
        if self.visible is None:
            return None
        if owner not in self._intervals:
            first = sum(self.schedule.query_rows[:owner])
            rows = self.visible[first : first + self.schedule.query_rows[owner]]
            host = torch.tensor(rows, dtype=torch.int32).reshape(-1, 2)
            self._intervals[owner] = (host, host.to(self.device))
        return self._intervals[owner][0]

    def intervals(self, owner: int) -> Optional[torch.Tensor]:
        """The same on the device."""
        return None if self.host_intervals(owner) is None else self._intervals[owner][1]

    def first_key(self, owner: int) -> int:
        return sum(self.schedule.key_rows[:owner])
