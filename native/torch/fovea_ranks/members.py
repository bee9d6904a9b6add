"""Who takes part: joins all ranks through the launcher's store, learns each one's host and device, chooses the backend."""

from __future__ import annotations

import datetime
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from typing import List, Optional

import torch
import torch.distributed as dist

from .progress import RunError


@dataclass(frozen=True)
class Member:
    """One rank, as all others know it."""

    rank: int
    host: str
    process: int
    device: str
    device_name: str
    torch: str
    schedule_digest: str


@dataclass(frozen=True)
class Place:
    """Where the launcher put this process."""

    rank: int
    ranks: int
    local_rank: int
    local_ranks: int
    address: str
    port: int


def place_of_this_process() -> Place:
    """From the variables that torchrun sets. @raises RunError usage"""
    try:
        rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        return Place(
            rank,
            ranks,
            int(os.environ.get("LOCAL_RANK", rank)),
            int(os.environ.get("LOCAL_WORLD_SIZE", ranks)),
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
        )
    except (KeyError, ValueError) as error:
        raise RunError(
            "usage",
            f"The launcher's variable {error} is missing or not a number.",
            "Start the ranks with torchrun, or with python -m fovea_ranks --ranks N.",
        ) from error


def connect(place: Place, seconds: float, may_host: bool) -> dist.TCPStore:
    """The store through which ranks find each other. Under torchrun it lives in the launcher and survives any rank;
    otherwise rank 0 hosts it, with the first connection that `may_host`."""
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"

    def open_store(host: bool) -> dist.TCPStore:
        return dist.TCPStore(
            place.address,
            place.port,
            is_master=host,
            timeout=datetime.timedelta(seconds=seconds),
            wait_for_workers=False,
        )

    try:
        if may_host and place.rank == 0 and not hosted:
            try:
                return open_store(True)
            except RuntimeError as error:
                # A launcher that listens there itself is as good, whether it said so or not.
                if "in use" not in str(error):
                    raise
        return open_store(False)
    except (RuntimeError, ValueError) as error:
        raise RunError(
            "rank-missing",
            f"Rank {place.rank} cannot reach the launcher at {place.address}:{place.port}.",
            "Check that the first host is up and that its port is open to this one.",
            place.rank,
        ) from error


def choose_device(wanted: str, place: Place) -> torch.device:
    """@raises RunError no-device"""
    usable = torch.cuda.is_available() and torch.cuda.device_count() > 0
    if wanted == "cuda" and not usable:
        built = "sees no GPU" if torch.version.cuda else "was built without CUDA"
        raise RunError(
            "no-device",
            f"--device cuda was asked for, but PyTorch {torch.__version__} {built}.",
            "Leave --device out to run on processors, or choose an interpreter whose PyTorch has CUDA.",
            place.rank,
        )
    if wanted == "cpu" or not usable:
        return torch.device("cpu")
    return torch.device("cuda", place.local_rank % torch.cuda.device_count())


def describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count() or 1} processor cores"


def join(store: dist.TCPStore, place: Place, device: torch.device, digest: str, seconds: float) -> List[Member]:
    """Waits for every rank. @raises RunError rank-missing naming who did not come, sizes when schedules differ"""
    try:
        return _join(store, place, device, digest, seconds)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else "connection lost"
        raise RunError(
            "rank-missing", f"The launcher or rank 0 ended while ranks were joining ({reason}).", "See its output.", place.rank
        ) from error


def _join(store: dist.TCPStore, place: Place, device: torch.device, digest: str, seconds: float) -> List[Member]:
    own = Member(
        place.rank, socket.gethostname(), os.getpid(), str(device), describe(device), torch.__version__, digest
    )
    store.set(f"member/{place.rank}", json.dumps(asdict(own)))
    store.add("joined", 1)
    store.add(f"joined/{place.rank}", 1)
    deadline = time.monotonic() + seconds
    while store.add("joined", 0) < place.ranks:
        if store.add("faults", 0) > 0:
            fault = json.loads(store.get("fault"))
            raise RunError(fault["code"], fault["message"], fault["hint"], fault["rank"])
        if time.monotonic() > deadline:
            missing = [rank for rank in range(place.ranks) if store.add(f"joined/{rank}", 0) == 0]
            raise RunError(
                "rank-missing",
                f"{_ranks(missing)} of {place.ranks} did not start within {seconds:g} s.",
                "Look at that host's output; with several hosts run the same command on each. --join-timeout waits longer.",
                place.rank,
            )
        time.sleep(0.02)
    members = [Member(**json.loads(store.get(f"member/{rank}"))) for rank in range(place.ranks)]
    for member in members:
        if member.schedule_digest != digest:
            raise RunError(
                "sizes",
                f"Rank {member.rank} on {member.host} was given another schedule than rank {place.rank} on {own.host}.",
                "Copy the same schedule file to every host.",
                place.rank,
            )
    return members


def backend_of(members: List[Member]) -> str:
    """NCCL when every rank has a GPU of its own; gloo otherwise (NCCL refuses two ranks on one GPU)."""
    devices = [(member.host, member.device) for member in members]
    own_gpu = all(device.startswith("cuda") for _, device in devices) and len(set(devices)) == len(devices)
    return "nccl" if own_gpu and dist.is_nccl_available() else "gloo"


def sharing_note(members: List[Member]) -> Optional[str]:
    """Says so when several ranks run on one device."""
    devices = {(member.host, member.device) for member in members}
    if len(devices) == len(members) or len(members) == 1:
        return None
    kinds = {member.device.split(":")[0] for member in members}
    what = "GPU" if kinds == {"cuda"} else "processor" if kinds == {"cpu"} else "device"
    hosts = len({host for host, _ in devices})
    where = "one host" if hosts == 1 else f"{hosts} hosts"
    count = "1 " + what if len(devices) == 1 else f"{len(devices)} {what}s"
    return f"{len(members)} ranks share {count} of {where}: compute times are those of a shared device."


def open_group(store: dist.TCPStore, place: Place, backend: str) -> None:
    """Failures are found by the heartbeat, within seconds; the group's own timeout is only the last resort."""
    # NCCL's kernels then start beside an attention kernel that fills the device, not after it.
    os.environ.setdefault("TORCH_NCCL_HIGH_PRIORITY", "1")
    dist.init_process_group(
        backend,
        store=dist.PrefixStore("group", store),
        rank=place.rank,
        world_size=place.ranks,
        timeout=datetime.timedelta(minutes=30),
    )


def _ranks(ranks: List[int]) -> str:
    return f"Rank {ranks[0]}" if len(ranks) == 1 else "Ranks " + ", ".join(map(str, ranks))
