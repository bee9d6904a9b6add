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


def rows_that_see(intervals: Optional[torch.Tensor], rows: int, keys: range) -> torch.Tensor:
    """bool [rows]: which rows see at least one of these keys. On the host, so that no stream has to be waited for."""
    if intervals is None or len(keys) == 0:
        return torch.full((rows,), len(keys) > 0)
    bounded = intervals.clamp(keys.start, keys.stop)
    return bounded[:, 1] > bounded[:, 0]
