"""What a run says while it runs: one JSON object per line on standard output, for the extension and for people.

{"type": "progress", "done", "total", "what"} · {"type": "note", "text"} · {"type": "ranks", "members"} ·
{"type": "trace", "path", "partial"} · {"type": "result", ...} · {"type": "error", "code", "message", "hint", "rank"}
"""

from __future__ import annotations

import json
import os
from typing import Any


def say(kind: str, **content: Any) -> None:
    """One write per line, so that lines of several ranks do not mix."""
    line = json.dumps({"type": kind, **content}, separators=(",", ":")) + "\n"
    os.write(1, line.encode())


class RunError(Exception):
    """A failure that has a name and a next step. The exit code is how torchrun and the extension tell them apart."""

    exit_codes = {
        "usage": 2,
        "no-torch": 3,
        "schedule": 4,
        "sizes": 5,
        "no-device": 6,
        "out-of-memory": 7,
        "rank-missing": 8,
        "rank-lost": 9,
        "link": 10,
        "check-failed": 11,
        "disk": 12,
        "cancelled": 130,
        "internal": 1,
    }

    def __init__(self, code: str, message: str, hint: str = "", rank: int = -1) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.rank = code, message, hint, rank

    @property
    def exit_code(self) -> int:
        return self.exit_codes.get(self.code, 1)

    def as_line(self) -> dict:
        return {"code": self.code, "message": self.message, "hint": self.hint, "rank": self.rank}
