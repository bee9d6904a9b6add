"""Reads a schedule: what every rank posts, waits for, computes and merges. Nothing of it is derived here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

import torch

from .progress import RunError

FORMAT, VERSION = "fovea-schedule", 1
ELEMENTS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# In the order of the ledger's numbers (trace/traffic/schedule.ts, ledger.ts).
PASSES = ("forward", "backward")
TENSOR_KINDS = ("Q", "O", "L", "K", "V", "dO", "D", "dQ", "dK", "dV")
COMPUTE_KINDS = ("attention", "merge", "gradient", "delta", "assemble", "projection")
STATISTICS = ("L", "D")
OF_KEYS = ("K", "V", "dK", "dV")


@dataclass(frozen=True)
class Transfer:
    """One message; fields as in trace/traffic/schedule.ts."""

    kind: str
    owner: int
    source: int
    destination: int
    rows: int
    first_head: int
    heads: int
    element_bytes: int
    bytes: int
    hop: int
    home: bool

    def key(self) -> Tuple[str, int, int, int, int, int]:
        """What both ends call this message within one pass."""
        return (self.kind, self.owner, self.source, self.destination, self.first_head, self.hop)


@dataclass(frozen=True)
class Schedule:
    raw: Dict[str, Any]
    algorithm: str
    pass_name: str
    ranks: int
    rounds: int
    query_heads: int
    key_value_heads: int
    head_size: int
    query_rows: List[int]
    key_rows: List[int]
    wire: Dict[str, Any]

    @property
    def element(self) -> torch.dtype:
        return ELEMENTS[self.wire["element"]]

    @property
    def repeated(self) -> bool:
        return bool(self.wire["repeatKeyValueHeads"])

    def operations(self, rank: int) -> List[Dict[str, Any]]:
        return next(program["operations"] for program in self.raw["programs"] if program["rank"] == rank)

    def label(self) -> str:
        return f"{self.algorithm}{', repeated heads' if self.repeated else ''}, {self.pass_name}"

    def sends(self, rank: int) -> List[Transfer]:
        return [
            transfer(message)
            for operation in self.operations(rank)
            if operation["op"] == "exchange"
            for message in operation["sends"]
        ]

    def total_bytes(self, rank: int) -> int:
        return sum(message.bytes for message in self.sends(rank))


def transfer(message: Dict[str, Any]) -> Transfer:
    return Transfer(
        message["kind"],
        message["owner"],
        message["source"],
        message["destination"],
        message["rows"],
        message["firstHead"],
        message["heads"],
        message["elementBytes"],
        message["bytes"],
        message["hop"],
        message["home"],
    )


def parse_schedule(raw: Any, name: str) -> Schedule:
    """@raises RunError schedule, sizes"""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise RunError("schedule", f"{name} is no schedule.", "Write one with: fovea traffic --schedule FILE")
    if raw.get("version") != VERSION:
        raise RunError(
            "schedule",
            f"{name} has version {raw.get('version')} of the format; these ranks read version {VERSION}.",
            "Use the ranks and the command line of the same version of Fovea.",
        )
    try:
        shape, sharding = raw["shape"], raw["sharding"]
        schedule = Schedule(
            raw,
            raw["algorithm"],
            raw["pass"],
            raw["ranks"],
            raw["rounds"],
            shape["queryHeads"],
            shape["keyValueHeads"],
            shape["headSize"],
            list(sharding["queryRows"]),
            list(sharding["keyRows"]),
            raw["wire"],
        )
        _check(schedule, name)
    except (KeyError, TypeError) as error:
        raise RunError("schedule", f"{name} lacks or garbles {error}.", "Write it again with: fovea traffic") from error
    return schedule


def digest(texts: List[bytes]) -> str:
    total = hashlib.sha256()
    for text in texts:
        total.update(hashlib.sha256(text).digest())
    return total.hexdigest()


def _check(schedule: Schedule, name: str) -> None:
    """Sizes that do not fit are found before any rank waits for a message that never comes."""

    def wrong(what: str) -> RunError:
        return RunError("sizes", f"{name}: {what}.", "Write the schedule again with: fovea traffic --schedule FILE")

    for rows in (schedule.query_rows, schedule.key_rows):
        if len(rows) != schedule.ranks:
            raise wrong(f"there are {schedule.ranks} ranks, but shards for {len(rows)}")
    if schedule.query_heads % schedule.key_value_heads != 0:
        raise wrong(f"{schedule.query_heads} query heads are no multiple of {schedule.key_value_heads} key heads")
    arriving: Dict[Tuple[str, int, int, int, int, int], int] = {}
    for rank in range(schedule.ranks):
        for operation in schedule.operations(rank):
            if operation["op"] != "exchange":
                continue
            for message in map(transfer, operation["sends"]):
                if message.bytes != message.rows * message.heads * message.element_bytes * (
                    1 if message.kind in STATISTICS else schedule.head_size
                ):
                    raise wrong(f"{message.kind} of {message.owner} from rank {rank} has {message.bytes} bytes, which do not fit its shape")
                arriving[message.key()] = arriving.get(message.key(), 0) + message.bytes
            for message in map(transfer, operation["receives"]):
                arriving[message.key()] = arriving.get(message.key(), 0) - message.bytes
    for key, balance in arriving.items():
        if balance != 0:
            raise wrong(f"{key[0]} of {key[1]} from rank {key[2]} to rank {key[3]} is sent and received with different sizes")


def load(path: str) -> Tuple[bytes, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read()
        return text, json.loads(text)
    except OSError as error:
        raise RunError("schedule", f"{path} cannot be read: {error.strerror}.", "Give the path of a schedule on this host.") from error
    except ValueError as error:
        raise RunError("schedule", f"{path} is not JSON: {error}.", "Write it with: fovea traffic --schedule FILE") from error
