"""The tensors that one rank holds while it runs its program, by kind, owner and heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

import torch

from .attention import arithmetic_of
from .progress import RunError
from .schedule import OF_KEYS, STATISTICS, Schedule, Transfer

# Partial results: a part that was handed on must not be counted here again.
MOVED = ("O", "L", "dQ", "dK", "dV")
CATEGORIES = {
    "keyValue": ("K", "V"),
    "query": ("Q",),
    "output": ("O",),
    "statistics": STATISTICS,
    "gradient": ("dO", "dQ", "dK", "dV"),
}


@dataclass
class Piece:
    """Heads [first_head, first_head + heads) of a tensor: [1, heads, rows, dim], or [1, heads, rows] for L and D.

    Heads count as the tensor's own: key heads for K, V, dK, dV, unless `repeated`, then query heads.
    """

    first_head: int
    tensor: torch.Tensor
    repeated: bool = False
    handed_on: bool = False
    computed_here: bool = False

    @property
    def heads(self) -> int:
        return self.tensor.shape[1]

    def covers(self, first: int, heads: int) -> bool:
        return self.first_head <= first and first + heads <= self.first_head + self.heads


class RankState:
    def __init__(self, schedule: Schedule, rank: int, device: torch.device) -> None:
        self.schedule, self.rank, self.device = schedule, rank, device
        self._pieces: Dict[Tuple[str, int], List[Piece]] = {}
        self._own: set = set()

    def put_own(self, kind: str, tensor: torch.Tensor) -> None:
        """A tensor that this rank keeps for good."""
        self._pieces[kind, self.rank] = [Piece(0, tensor)]
        self._own.add((kind, self.rank))

    def add(self, kind: str, owner: int, first_head: int, tensor: torch.Tensor, repeated: bool = False) -> None:
        self._pieces.setdefault((kind, owner), []).append(Piece(first_head, tensor, repeated))

    def add_gradient(self, kind: str, owner: int, first_head: int, tensor: torch.Tensor, repeated: bool = False) -> None:
        """Adds what was computed here to what was before: with many rounds, parts of their own would fill the memory."""
        for piece in self.parts(kind, owner):
            if piece.computed_here and (piece.first_head, piece.heads) == (first_head, tensor.shape[1]):
                piece.tensor = piece.tensor.to(arithmetic_of(piece.tensor.dtype)).add_(tensor)
                return
        self.add(kind, owner, first_head, tensor, repeated)
        self._pieces[kind, owner][-1].computed_here = True

    def parts(self, kind: str, owner: int) -> List[Piece]:
        """What this rank has of a block and has not handed on."""
        return [piece for piece in self._pieces.get((kind, owner), []) if not piece.handed_on]

    def replace(self, kind: str, owner: int, pieces: List[Piece]) -> None:
        self._pieces[kind, owner] = pieces

    def all_pieces(self, kind: str, owner: int) -> List[Piece]:
        return list(self._pieces.get((kind, owner), []))

    def held(self) -> List[Tuple[str, int]]:
        return [key for key, pieces in self._pieces.items() if pieces]

    def is_own(self, kind: str, owner: int) -> bool:
        return (kind, owner) in self._own

    def drop(self, kind: str, owner: int) -> None:
        self._pieces.pop((kind, owner), None)

    def drop_handed_on(self, kind: str, owner: int) -> None:
        self._pieces[kind, owner] = self.parts(kind, owner)

    def has(self, kind: str, owner: int) -> bool:
        return bool(self._pieces.get((kind, owner)))

    def find(self, kind: str, owner: int, first: int, heads: int) -> Piece:
        """The latest piece that covers these heads, those that were handed on last. @raises RunError schedule"""
        if self._rows(kind, owner) == 0:
            # Tensors without bytes are not sent: whoever needs one knows that it is empty.
            shape = (1, heads, 0) if kind in STATISTICS else (1, heads, 0, self.schedule.head_size)
            dtype = torch.float32 if kind in STATISTICS else self.schedule.element
            return Piece(first, torch.empty(shape, dtype=dtype, device=self.device))
        held = self._pieces.get((kind, owner), [])
        for handed_on in (False, True):
            for piece in reversed(held):
                if piece.handed_on == handed_on and piece.covers(first, heads):
                    return piece
        raise RunError(
            "schedule",
            f"The schedule uses {kind} of {owner}, heads {first} to {first + heads - 1}, which rank {self.rank} does not have.",
            "A backward schedule needs the forward schedule of the same algorithm before it.",
            self.rank,
        )

    def _rows(self, kind: str, owner: int) -> int:
        return (self.schedule.key_rows if kind in OF_KEYS else self.schedule.query_rows)[owner]

    def query_side(self, kind: str, owner: int, first: int, heads: int) -> torch.Tensor:
        piece = self.find(kind, owner, first, heads)
        return piece.tensor[:, first - piece.first_head : first - piece.first_head + heads]

    def key_side(self, kind: str, owner: int, first: int, heads: int) -> Tuple[torch.Tensor, int]:
        """K or V as query heads [first, first + heads) see it, and the first of its heads in its own count."""
        group = self.schedule.query_heads // self.schedule.key_value_heads
        held = self._pieces.get((kind, owner), [])
        if any(piece.repeated for piece in held):
            piece = self.find(kind, owner, first, heads)
            return piece.tensor[:, first - piece.first_head : first - piece.first_head + heads], first
        first_key, last_key = first // group, (first + heads - 1) // group
        count = last_key - first_key + 1
        if heads % count != 0 or (count > 1 and first % group != 0):
            raise RunError("schedule", f"Query heads {first} to {first + heads - 1} share key heads unevenly.", "", self.rank)
        piece = self.find(kind, owner, first_key, count)
        return piece.tensor[:, first_key - piece.first_head : first_key - piece.first_head + count], first_key

    def repeat_own_keys(self) -> None:
        """For variants that repeat keys and values before anything else, as LV-XAttn's drivers do."""
        group = self.schedule.query_heads // self.schedule.key_value_heads
        for kind in ("K", "V"):
            for piece in self._pieces[kind, self.rank]:
                piece.tensor, piece.repeated = piece.tensor.repeat_interleave(group, 1), True

    def outgoing(self, message: Transfer) -> torch.Tensor:
        """The tensor of a message in its wire form. @raises RunError sizes"""
        piece = self.find(message.kind, message.owner, message.first_head, message.heads)
        start = message.first_head - piece.first_head
        tensor = piece.tensor[:, start : start + message.heads].to(self.wire_type(message))
        missing = message.rows - tensor.shape[2]
        if missing > 0:
            padding = list(tensor.shape)
            padding[2] = missing
            tensor = torch.cat([tensor, tensor.new_zeros(padding)], 2)
        tensor = tensor.contiguous()
        size = tensor.numel() * tensor.element_size()
        if size != message.bytes:
            raise RunError(
                "sizes",
                f"{message.kind} of {message.owner} has {size} bytes on rank {self.rank}, but the schedule says {message.bytes}.",
                "Write the schedule again with: fovea traffic --schedule FILE",
                self.rank,
            )
        if message.kind in MOVED:
            piece.handed_on = True
        return tensor

    def buffer(self, message: Transfer) -> torch.Tensor:
        shape = [1, message.heads, message.rows]
        if message.kind not in STATISTICS:
            shape.append(self.schedule.head_size)
        return torch.empty(shape, dtype=self.wire_type(message), device=self.device)

    def arrive(self, message: Transfer, buffer: torch.Tensor) -> None:
        buffer = buffer[:, :, : self._rows(message.kind, message.owner)]
        repeated = message.kind in OF_KEYS and self.schedule.repeated
        self.add(message.kind, message.owner, message.first_head, buffer, repeated)

    def wire_type(self, message: Transfer) -> torch.dtype:
        return torch.float32 if message.element_bytes == 4 else self.schedule.element

    def bytes_held(self) -> Dict[str, int]:
        """By category; memory that two pieces share counts once."""
        held = {}
        for category, kinds in CATEGORIES.items():
            storages: Dict[int, int] = {}
            for (kind, _), pieces in self._pieces.items():
                if kind in kinds:
                    for piece in pieces:
                        storages[_address(piece.tensor)] = _size(piece.tensor)
            held[category] = sum(storages.values())
        return held


def _storage(tensor: torch.Tensor) -> Any:
    return tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()


def _address(tensor: torch.Tensor) -> int:
    return _storage(tensor).data_ptr()


def _size(tensor: torch.Tensor) -> int:
    storage = _storage(tensor)
    return storage.nbytes() if callable(getattr(storage, "nbytes", None)) else len(storage) * tensor.element_size()
