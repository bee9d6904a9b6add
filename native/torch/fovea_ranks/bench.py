"""The whole measurement with nothing but Python: LV-XAttn against its rivals on the presets of the paper, on the links as
they are and on emulated ones.

  python3 -m fovea_ranks.bench --ranks 2 --seconds 150 --out results
  python3 -m fovea_ranks.bench --smoke --out results       one GPU (or none): every code path once, on small sizes

Writes results.json, traces.tar (what Fovea opens), log.txt and activations in results.json; all after every case. Cases run
in the order of what they are worth; none begins that is not expected to end in time. A case that fails is put down with its
traceback, and the ranks start anew with the next one.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from typing import Any, Dict, List, Optional

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_JOBS = os.path.join(os.path.dirname(_PACKAGE), "jobs")
# Ranks that say nothing for so long hang; a start imports torch and opens CUDA and NCCL.
_SILENCE_SECONDS, _START_SECONDS, _GRACE_SECONDS = 45.0, 12.0, 15.0
# Widths of the visual features y; the last two are not confirmed by the paper (docs/lv-xattn.md).
_MODELS = {"llama3-v": (8, 4096, 4096), "mplug-owl3-7b": (4, 3584, 3584), "openflamingo-9b": (8, 512, 1024)}
_RIVALS = ["lv-xattn", "ring", "ring-repeated"]


def parse(words: "Optional[List[str]]" = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fovea_ranks.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="a folder")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--presets", default=",".join(_MODELS))
    parser.add_argument("--rows", default="1,2,3", help="rows of the paper's table 3 (1,2,3)")
    parser.add_argument("--links", default="none,3,25", help="GB/s of emulated links; none: as they are (none,3,25)")
    parser.add_argument("--seconds", type=float, default=150.0, help="soft limit of the whole (150)")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--jobs", default=_JOBS, help="folder of jobs, NAME-ROW.ranks-N.json (npm run bench:ranks -- --jobs-only)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--smoke", action="store_true", help="small sizes; several ranks on one GPU over gloo, then NCCL with itself")
    return parser.parse_args(words)


def full_cases(options: argparse.Namespace, folder: str) -> List[Dict[str, Any]]:
    """What matters most first: row 1 of every preset on real links, then on slow ones, then memory, then other rows."""
    presets, rows = options.presets.split(","), options.rows.split(",")
    found: List[Dict[str, Any]] = []

    def passes(preset: str, row: str, link: str, algorithms: Optional[List[str]], repeat: int, warmup: int, check: str) -> None:
        name = f"{preset}-{row}"
        found.append(
            {
                "name": f"{name} link {link}",
                "job": os.path.join(options.jobs, f"{name}.ranks-{options.ranks}.json"),
                "out": os.path.join(folder, f"{name}-link-{link}.fovea"),
                "repeat": repeat,
                "warmup": warmup,
                "check": check,
                "throttle": None if link == "none" else float(link),
                "algorithms": algorithms,
            }
        )

    links = options.links.split(",")
    slow = [link for link in links if link != "none"]
    for preset in presets:
        if "none" in links:
            passes(preset, rows[0], "none", None, options.repeat, options.warmup, "full")
    for link in slow:
        for preset in presets:
            # The comparing pass warms up; slow messages vary little.
            passes(preset, rows[0], link, _RIVALS, min(3, options.repeat), 0, "outputs")
    for preset in presets:
        if preset in _MODELS:
            layers, text_width, visual_width = _MODELS[preset]
            found.append(
                {
                    "name": f"{preset}-{rows[0]} activations",
                    "job": os.path.join(options.jobs, f"{preset}-{rows[0]}.ranks-{options.ranks}.json"),
                    "out": os.path.join(folder, f"{preset}-{rows[0]}-activations.json"),
                    "repeat": 1,
                    "warmup": 0,
                    "check": "none",
                    "algorithms": ["lv-xattn"],
                    "activations": {"layers": layers, "text_width": text_width, "visual_width": visual_width},
                }
            )
    for row in rows[1:]:
        for link in links:
            for preset in presets:
                native = link == "none"
                passes(
                    preset, row, link, None if native else _RIVALS, options.repeat if native else min(3, options.repeat),
                    options.warmup if native else 0, "outputs",
                )
    return found


def smoke_cases(options: argparse.Namespace, folder: str, ranks: int) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []
    for kind in ("plain", "masked", "large") if ranks == 1 else ("plain", "masked"):
        path = os.path.join(options.jobs, f"smoke-{kind}.ranks-{ranks}.json")
        base = {"job": path, "repeat": 2, "warmup": 1, "check": "full"}
        name = f"smoke {kind}, {ranks} ranks"
        found.append({**base, "name": name, "out": os.path.join(folder, f"smoke-{kind}-{ranks}.fovea")})
        if kind == "plain":
            slow = {**base, "throttle": 3.0, "check": "outputs"}
            found.append({**slow, "name": f"{name}, 3 GB/s", "out": os.path.join(folder, f"smoke-slow-{ranks}.fovea")})
            stack = {"layers": 2, "text_width": 4096, "visual_width": 1024}
            found.append(
                {**base, "name": f"{name}, activations", "activations": stack, "algorithms": ["lv-xattn"],
                 "out": os.path.join(folder, f"smoke-activations-{ranks}.json")}
            )
    return found


class Bench:
    """Starts ranks, listens to them, and writes what they found."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.ends = time.monotonic() + options.seconds
        self.folder = os.path.abspath(options.out)
        os.makedirs(self.folder, exist_ok=True)
        self.traces = tempfile.mkdtemp(prefix="fovea-bench-")
        self._log = open(os.path.join(self.folder, "log.txt"), "w", encoding="utf-8", buffering=1)
        self._lock = threading.RLock()
        self._errors: List[str] = []
        self.results: Dict[str, Any] = {"seconds": options.seconds, "ranks": options.ranks, "starts": [], "cases": []}
        self._entries: Dict[str, Dict[str, Any]] = {}
        self._packed: set = set()

    def run(self, cases: List[Dict[str, Any]], ranks: int, environment: Dict[str, str]) -> None:
        missing = [case for case in cases if not os.path.exists(case["job"])]
        for case in missing:
            self._entry(case["name"]).update(state="failed", error=f"There is no job {case['job']}.")
        left = [case for case in cases if case not in missing]
        while left:
            if time.monotonic() + _START_SECONDS > self.ends:
                for case in left:
                    self._entry(case["name"]).update(state="omitted", error="No time was left to start ranks for it.")
                break
            left = self._start(left, ranks, environment)
            self.write()
        self.write()

    def _start(self, cases: List[Dict[str, Any]], ranks: int, environment: Dict[str, str]) -> List[Dict[str, Any]]:
        """One start of all ranks. Returns the cases that are still to be run after a failure."""
        listing = os.path.join(self.traces, "cases.json")
        with open(listing, "w", encoding="utf-8") as file:
            json.dump(cases, file)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        words = [sys.executable, "-u", "-X", "faulthandler", "-m", "fovea_ranks", "--cases", listing, "--traceback"]
        words += ["--ends", repr(self.ends), "--device", self.options.device, "--silence", "20", "--join-timeout", "90"]
        base = {**os.environ, "PYTHONPATH": os.path.dirname(_PACKAGE), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        base.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // ranks)))
        base.update({"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), **environment})
        started = {"ranks": ranks, "cases": len(cases)}
        self.results["starts"].append(started)
        self._current: Optional[Dict[str, Any]] = None
        self._errors = []
        self._heard = time.monotonic()
        self._start_entry = started
        processes, listeners = [], []
        for rank in range(ranks):
            process = subprocess.Popen(
                words,
                env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            for stream, heard in ((process.stdout, self._hear), (process.stderr, self._hear_error)):
                thread = threading.Thread(target=self._listen, args=(stream, heard, rank), daemon=True)
                thread.start()
                listeners.append(thread)
        begun = time.monotonic()
        failed_at = None
        while any(process.poll() is None for process in processes):
            time.sleep(0.1)
            now = time.monotonic()
            failed = [p for p in processes if p.poll() not in (None, 0)]
            late = now > self.ends + _GRACE_SECONDS
            silent = now - self._heard > _SILENCE_SECONDS and now - begun > _SILENCE_SECONDS
            if failed and failed_at is None:
                failed_at = now
            dying = failed_at is not None and now - failed_at > 8
            if late or silent or dying:
                if not dying:
                    self._say(f"ranks are {'late' if late else 'silent'}: their stacks, then an end")
                    for process in processes:
                        if process.poll() is None:
                            process.send_signal(signal.SIGUSR1)
                    time.sleep(1.5)
                    self._errors.append("The ranks hung; their stacks are in log.txt.")
                for process in processes:
                    if process.poll() is None:
                        process.kill()
        for thread in listeners:
            thread.join(5)
        codes = [process.returncode for process in processes]
        started["exitCodes"] = codes
        # 11 says that a comparison failed: everything ran, and the traces say what is off.
        if all(code in (0, 11) for code in codes):
            return []
        tail = "\n".join(self._errors[-60:])
        self._say(f"the ranks ended with {codes}")
        if self._current is None:
            started["error"] = tail
            self._say("before any case: giving up")
            for case in cases:
                self._entry(case["name"]).update(state="failed", error="The ranks did not start; see starts.")
            return []
        name = self._current["name"]
        self._current.pop("began", None)
        self._entry(name).update(state="failed", error=tail)
        names = [case["name"] for case in cases]
        return cases[names.index(name) + 1 :]

    def _listen(self, stream: Any, heard: Any, rank: int) -> None:
        for line in stream:
            heard(line.rstrip("\n"), rank)

    def _hear_error(self, line: str, rank: int) -> None:
        with self._lock:
            self._errors.append(f"[{rank}] {line}")
            self._say(f"[{rank}] {line}")

    def _hear(self, line: str, rank: int) -> None:
        with self._lock:
            self._heard = time.monotonic()
            try:
                message = json.loads(line)
            except ValueError:
                self._say(f"[{rank}] {line}")
                return
            kind = message.pop("type", "")
            if kind == "progress":
                return
            if kind == "case":
                self._end_current()
                entry = self._entry(message["name"])
                entry.update(state="running" if message["state"] == "begin" else "omitted", guessedSeconds=message["guessedSeconds"])
                entry["began"] = time.monotonic()
                self._current = entry if message["state"] == "begin" else None
                self._say(f"{message['state']} {message['name']} (guessed {message['guessedSeconds']:.1f} s)")
            elif kind in ("machine", "selftest"):
                self._start_entry[kind] = message
                self._say(f"{kind} {json.dumps(message)}")
            elif kind in ("result", "activations") and self._current is not None:
                self._current[kind] = message
                self._current["state"] = "done" if message.get("ok", True) else "checks failed"
                self._end_current()
                self._summarise(kind, message)
                self.write()
            elif kind == "error":
                self._errors.append(f"[{rank}] {json.dumps(message)}")
                self._say(f"[{rank}] error {json.dumps(message)}")
            elif kind == "note":
                self._say(f"note {message.get('text')}")

    def _end_current(self) -> None:
        if self._current is not None and "began" in self._current:
            self._current["seconds"] = round(time.monotonic() - self._current.pop("began"), 2)

    def _summarise(self, kind: str, message: Dict[str, Any]) -> None:
        if kind == "activations":
            for mode in message["ranks"][0]["modes"]:
                self._say(f"  recompute {mode['recompute']}: kept {mode['keptBytes']} peak {mode['peakBytes']} bytes, "
                          f"{mode['forwardSeconds']:.4f} + {mode['backwardSeconds']:.4f} s")
            return
        for run in message["runs"]:
            name = run["algorithm"] + (" repeated" if run["repeatKeyValueHeads"] else "")
            seconds, exposed = run["seconds"] or 0, run["exposedSeconds"] or 0
            totals = run["repeatSeconds"]
            spread = f"{min(totals) * 1e3:.3f} to {max(totals) * 1e3:.3f}" if totals else "-"
            agreement = run.get("agreement")
            off = f"off by {agreement['maxAbs']:.2g} of {agreement['tolerance']:.2g}" if agreement else "not compared"
            self._say(
                f"  {name:22} {run['pass']:8} {seconds * 1e3:10.3f} ms ({spread}), exposed {exposed * 1e3:9.3f} ms, "
                f"{max(run['bytesSentPerRank']) / 1e6:9.2f} MB, {off}"
                + "".join(f" FAILED {check['name']}: {check['message']}" for check in run["failedChecks"])
            )

    def _entry(self, name: str) -> Dict[str, Any]:
        if name not in self._entries:
            self._entries[name] = {"name": name, "state": "waiting"}
            self.results["cases"].append(self._entries[name])
        return self._entries[name]

    def _say(self, text: str) -> None:
        line = f"{self.options.seconds - (self.ends - time.monotonic()):7.2f} {text}"
        self._log.write(line + "\n")
        print(line, flush=True)

    def write(self) -> None:
        """Traces are packed, since some machines hand back few files."""
        with self._lock:
            with tarfile.open(os.path.join(self.folder, "traces.tar"), "a") as archive:
                for name in sorted(os.listdir(self.traces)):
                    if name.endswith(".fovea") and name not in self._packed:
                        archive.add(os.path.join(self.traces, name), name)
                        self._packed.add(name)
            path = os.path.join(self.folder, "results.json")
            with open(path + ".partial", "w", encoding="utf-8") as file:
                json.dump(self.results, file, indent=1)
            os.replace(path + ".partial", path)

    def close(self) -> int:
        self.write()
        shutil.rmtree(self.traces, ignore_errors=True)
        states = [entry["state"] for entry in self.results["cases"]]
        self._say("; ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "nothing to do")
        for entry in self.results["cases"]:
            if entry["state"] == "failed":
                self._say(f"failed: {entry['name']}\n{entry.get('error', '')}")
        self._log.close()
        return 0 if states and all(state in ("done", "omitted") for state in states) else 1


def main() -> int:
    faulthandler.enable()
    options = parse()
    if options.smoke:
        options.seconds = min(options.seconds, 40.0) if "--seconds" not in sys.argv else options.seconds
    old = os.path.join(options.out, "traces.tar")
    if os.path.exists(old):
        os.remove(old)
    bench = Bench(options)
    if options.smoke:
        one_gpu = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
        bench.run(smoke_cases(options, bench.traces, 1), 1, one_gpu)
        bench.run(smoke_cases(options, bench.traces, 2), 2, one_gpu)
    else:
        bench.run(full_cases(options, bench.traces), options.ranks, {})
    return bench.close()


if __name__ == "__main__":
    sys.exit(main())
