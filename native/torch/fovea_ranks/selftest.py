"""What the machine is and does by itself: versions, the link's bandwidth, and how exact an emulated link is."""

from __future__ import annotations

import math
import os
import platform
import time
import traceback
from typing import Any, Callable, Dict

import torch
import torch.distributed as dist

from .fused import choose_block_attention
from .link import Batch, Incoming, NcclLink, Outgoing, SlowLink

# Set on hosts where NVLink multicast must stay off; recorded, since they change what NCCL does.
_ENVIRONMENT = ("NCCL_NVLS_ENABLE", "TORCH_SYMM_MEM_DISABLE_MULTICAST", "NVSHMEM_DISABLE_NVLS", "TORCH_NCCL_HIGH_PRIORITY")


def machine(device: torch.device, backend: str, link: Any) -> Dict[str, Any]:
    found: Dict[str, Any] = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "backend": backend,
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    }
    if device.type == "cuda":
        found["cuda"] = torch.version.cuda
        found["devices"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        found["peerAccess"] = torch.cuda.device_count() > 1 and torch.cuda.can_device_access_peer(0, 1)
    if isinstance(link, NcclLink):
        found["nccl"] = ".".join(map(str, torch.cuda.nccl.version()))
        if math.isfinite(link.bandwidth):
            found["linkBytesPerSecond"] = link.bandwidth
    return found


def link_accuracy(link: NcclLink, device: torch.device, bandwidth: float, count: int = 1 << 26) -> Dict[str, float]:
    """Sends one message to the next rank over an emulated link, checks what arrived, and times it. Collective."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    sent = torch.full((count,), rank + 1, dtype=torch.uint8, device=device)
    received = torch.zeros_like(sent)
    before, link.slow = link.slow, SlowLink(0.0, bandwidth)
    started: list = []
    ended: list = []
    anchor = torch.cuda.Event(enable_timing=True)
    link.barrier()
    anchor.record()
    batch = Batch(
        [Outgoing(sent, (rank + 1) % ranks, started.append)], [Incoming(received, (rank - 1) % ranks, ended.append)]
    )
    link.post(batch)
    link.wait(batch)
    arrived = int(received.min()), int(received.max())
    link.drain([batch])
    link.resolve(lambda event: round(anchor.elapsed_time(event) * 1e6))
    link.slow = before
    expected = (rank - 1) % ranks + 1
    if arrived != (expected, expected):
        raise RuntimeError(f"a message of {expected} arrived as {arrived}")
    seconds = (ended[0] - started[0]) / 1e9
    return {"asked": bandwidth, "found": count / seconds}


def attention_speed(device: torch.device) -> Dict[str, Any]:
    """Forward and backward of one block at a rank's share of Llama 3-V's largest size in the paper's table 3."""
    rows, keys, heads, key_value_heads, dim = 128, 153_696, 32, 8, 128
    element = torch.bfloat16
    query, gradient, output = (torch.randn(1, heads, rows, dim, device=device, dtype=element) for _ in range(3))
    key, value = (torch.randn(1, key_value_heads, keys, dim, device=device, dtype=element) for _ in range(2))
    chosen = choose_block_attention(device, element, dim, heads // key_value_heads, False)
    part = chosen.run(query, key, value)
    product = rows * keys * heads * dim
    found: Dict[str, Any] = {
        "kernel": chosen.label,
        "passedOver": chosen.passed_over,
        "forward": speed(lambda: chosen.run(query, key, value), device, 4.0 * product),
    }
    if chosen.gradients is not None:
        run = chosen.gradients
        found["backward"] = speed(
            lambda: run(query, key, value, part.log_sum_exp, gradient, output), device, 10.0 * product
        )
    return found


def self_test(device: torch.device, link: Any) -> Dict[str, Any]:
    """Collective. What fails here is told and stops nothing: the cases show whether it matters."""
    found: Dict[str, Any] = {}
    tests: Dict[str, Callable[[], Any]] = {}
    if device.type == "cuda":
        tests["attention"] = lambda: attention_speed(device)
    if isinstance(link, NcclLink):
        tests["emulatedLinks"] = lambda: [link_accuracy(link, device, bandwidth) for bandwidth in (3e9, 25e9)]
    for name, run in tests.items():
        try:
            found[name] = run()
        except RuntimeError:
            found[name] = {"error": traceback.format_exc()}
            traceback.print_exc()
    return found


def speed(run: Any, device: torch.device, flops: float, times: int = 3) -> Dict[str, float]:
    """Best of a few calls, in seconds and FLOP/s."""
    best = float("inf")
    for _ in range(times + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        begun = time.monotonic()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.monotonic() - begun)
    return {"seconds": best, "flopsPerSecond": flops / best}
