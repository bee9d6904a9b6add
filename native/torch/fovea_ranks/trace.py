"""Writes a traffic trace: a safetensors file that the panel opens (docs/trace.md, trace/traffic/metadata.ts)."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import struct
from typing import Any, Dict

import numpy

from .progress import RunError

METADATA_KEY, FORMAT_NAME, SCHEMA = "fovea", "fovea-trace", 1
_DTYPES = {"<f8": "F64", "<f4": "F32", "|u1": "U8"}


def prepare_output(path: str) -> None:
    """Creates the folder, before hours of work want to be put there. @raises RunError disk"""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: str, error: OSError) -> RunError:
    reason = error.strerror or str(error)
    return RunError("disk", f"The trace cannot be written to {path}: {reason}.", "Name another file, or free some space.")


def write_trace(path: str, description: Dict[str, Any], tensors: Dict[str, numpy.ndarray]) -> None:
    """Under a temporary name first, so that a reader never sees half a file. @raises OSError; nothing is left behind"""
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header: Dict[str, Any] = {
        "__metadata__": {"format": FORMAT_NAME, METADATA_KEY: json.dumps(_plain(description), allow_nan=False)}
    }
    offset = 0
    for name, tensor in ordered:
        header[name] = {
            "dtype": _DTYPES[tensor.dtype.str],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    partial = f"{path}.partial"
    try:
        with open(partial, "wb") as file:
            file.write(struct.pack("<Q", len(text)))
            file.write(text)
            for _, tensor in ordered:
                file.write(numpy.ascontiguousarray(tensor).tobytes())
        os.replace(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise


def _plain(value: Any) -> Any:
    """JSON knows no infinity: what is not finite (a broken comparison) becomes the largest number there is."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return 1.7e308
    return value
