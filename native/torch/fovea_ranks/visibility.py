"""Which keys a query row may see, as one interval per row: 8 bytes travel with a row, never a dense mask."""

from __future__ import annotations

from typing import Optional

import torch


def visible_keys(
    intervals: Optional[torch.Tensor], first_key: int, keys: int, device: torch.device
) -> Optional[torch.Tensor]:
    """The part of the mask that one key chunk needs.

    intervals: int32 [rows, 2], half-open [first, last) in global key positions; None: every row sees every key.
    first_key: global position of the chunk's first key.
    Returns bool [rows, keys], or None when every row sees the whole chunk.
    """
    if intervals is None:
        return None
    position = torch.arange(first_key, first_key + keys, device=device, dtype=torch.int32)
    first, last = intervals.to(device)[:, :1], intervals.to(device)[:, 1:]
    return (position >= first) & (position < last)


def visible_share(intervals: Optional[torch.Tensor], first_key: int, keys: int) -> float:
    """Share of the (row, key) pairs of a shard that are visible, 0 to 1: what an ownership grid shades."""
    if intervals is None:
        return 1.0
    if keys == 0 or intervals.shape[0] == 0:
        return 0.0
    bounded = intervals.clamp(first_key, first_key + keys)
    return float((bounded[:, 1] - bounded[:, 0]).clamp(min=0).sum()) / (keys * intervals.shape[0])
