"""When a rank may let go of a tensor: nothing in what is left of its programs uses it before it arrives anew."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Dict, List, Tuple

from .schedule import transfer

Uses = Dict[Tuple[str, int], List[Tuple[int, bool]]]


def uses_of(operations: List[Dict[str, Any]]) -> Uses:
    """For every (kind, owner): positions in the program, and whether it is used there (True) or arrives (False)."""
    uses: Uses = {}
    receives = {op["exchange"]: op["receives"] for op in operations if op["op"] == "exchange"}

    def note(kind: str, owner: int, position: int, used: bool) -> None:
        uses.setdefault((kind, owner), []).append((position, used))

    for position, operation in enumerate(operations):
        name = operation["op"]
        if name == "exchange":
            for message in map(transfer, operation["sends"]):
                note(message.kind, message.owner, position, True)
        elif name == "wait":
            for message in map(transfer, receives.get(operation["exchange"], [])):
                note(message.kind, message.owner, position, False)
        elif name in ("attend", "differentiate"):
            kinds = ("Q",) if name == "attend" else ("Q", "dO", "D", "O", "L")
            for owner in operation["queries"]:
                for kind in kinds:
                    note(kind, owner, position, True)
            for owner in operation["keys"]:
                note("K", owner, position, True)
                note("V", owner, position, True)
        elif name == "delta":
            note("O", operation["owner"], position, True)
            note("dO", operation["owner"], position, True)
        else:
            for kind in {"O": ("O", "L"), "dQ": ("dQ",), "dK": ("dK", "dV")}[operation["kind"]]:
                note(kind, operation["owner"], position, True)
    return uses


def is_next_used(uses: Uses, kind: str, owner: int, position: int) -> bool:
    """Whether what is held now is used before the same arrives anew."""
    events = uses.get((kind, owner), [])
    at = bisect_right(events, (position, True))
    return at < len(events) and events[at][1]


def is_ever_used(uses: Uses, kind: str, owner: int, position: int) -> bool:
    """Partial results wait for others of their kind: what arrives is merged with them and does not replace them."""
    events = uses.get((kind, owner), [])
    return any(used for _, used in events[bisect_right(events, (position, True)) :])
