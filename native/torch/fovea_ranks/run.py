"""One rank from joining to the written trace."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import time
import traceback
from dataclasses import asdict
from typing import Any, Dict, List, NoReturn, Optional

import torch

from .activations import compare_modes
from .cases import Case, TimeLimit, case_of_options, load_cases
from .clock import ClockOffset, measure_offsets
from .description import Outcome, Setting, describe, median_repeat
from .executor import Executor, combined_uses
from .fused import BlockAttention, choose_block_attention
from .inputs import Inputs
from .job import Job
from .ledger import RunLedger, tables
from .link import GlooLink, NcclLink, link_error
from .members import (
    Member,
    Place,
    backend_of,
    choose_device,
    connect,
    describe as describe_device,
    join,
    open_group,
    place_of_this_process,
    sharing_note,
)
from .orphan import end_with_parent
from .progress import RunError, say
from .rank_state import RankState
from .recorder import Recorder
from .trace import disk_error, prepare_output, write_trace
from .schedule import Schedule
from .selftest import machine, self_test
from .verification import References, Verification
from .watch import Events, Watch

# The untimed pass on which results are compared.
CHECK_REPEAT = -1000


class RankRun:
    """All cases of one start, on one rank."""

    def __init__(self, options: argparse.Namespace, cases: List[Case]) -> None:
        self.options, self.cases = options, cases
        self._current = 0
        self._setting: Optional[Setting] = None
        self.results: List[Dict[str, Any]] = []

    def go(self) -> NoReturn:
        options = self.options
        place = place_of_this_process()
        for job in (case.job for case in self.cases):
            ranks = job.schedules[0].ranks
            if ranks != place.ranks:
                raise RunError(
                    "sizes",
                    f"{job.name} is a schedule for {ranks} ranks, but {place.ranks} were started.",
                    f"Start {ranks} ranks, or write a schedule for {place.ranks} with: fovea traffic --ranks {place.ranks}",
                    place.rank,
                )
        store = connect(place, options.join_timeout, may_host=True)
        try:
            if place.rank == 0:
                for case in self.cases:
                    prepare_output(case.out)
            device = choose_device(options.device, place)
            members = join(store, place, device, "+".join(case.job.digest for case in self.cases), options.join_timeout)
        except RunError as error:
            _tell_others(store, error)
            if place.rank == 0:
                # It may host the store, and the others are still reading in it why they end.
                time.sleep(1)
            raise
        own_line = connect(place, options.join_timeout, may_host=False)
        watch = Watch(own_line, place.rank, place.ranks, options.silence, self._write_partial)
        try:
            self._run(place, device, members, watch, store)
        except RunError as error:
            watch.fail(error)
        except MemoryError:
            watch.fail(_out_of_memory(place, device, ""))
        except RuntimeError as error:
            text = str(error).strip() or type(error).__name__
            if options.traceback:
                traceback.print_exc()
            if "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text:
                watch.fail(_out_of_memory(place, device, text))
            if any(word in text for word in ("peer", "onnection", "NCCL", "Broken pipe")):
                watch.fail(link_error(error))
            watch.fail(RunError("internal", f"Rank {place.rank} failed: {text.splitlines()[0][:200]}", "", place.rank))
        except Exception as error:  # whatever it was, the other ranks must not wait for this one
            traceback.print_exc()
            watch.fail(RunError("internal", f"Rank {place.rank} failed: {type(error).__name__}: {error}"[:300], "", place.rank))
        code = RunError.exit_codes["check-failed"] if any(not result["ok"] for result in self.results) else 0
        # Threads of the process group may still wait for messages; taking it apart races with them.
        os._exit(code)

    def _run(self, place: Place, device: torch.device, members: List[Member], watch: Watch, store: Any) -> None:
        options = self.options
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = backend_of(members)
        own_host = members[place.rank].host
        watch.start({member.rank: member.process for member in members if member.host == own_host})
        open_group(store, place, backend)
        offsets = measure_offsets(members, place.rank)
        link = (NcclLink if backend == "nccl" else GlooLink)(device, watch.fail)
        if place.rank == 0:
            _greet(members, backend)
            if options.cases:
                say("machine", **machine(device, backend, link))
        if options.cases:
            tested = self_test(device, link)
            if place.rank == 0:
                say("selftest", **tested)
        for number, case in enumerate(self.cases):
            if options.cases and not self._goes_on(number, case, place, device, store):
                continue
            self._current = number
            link.slow = case.slow
            if place.rank == 0 and case.slow:
                say("note", text=f"Links are emulated at {case.slow.bandwidth / 1e9:g} GB/s: times of transfers are simulated.")
            if case.activations:
                self._measure_activations(case, place, device, link, store)
                continue
            attention = _kernel(case.job, device)
            self._setting = _setting(options, case, members, backend, attention, offsets)
            if place.rank == 0:
                for reason in attention.passed_over:
                    say("note", text=f"Not used: {reason}")
            self._run_job(case, place, device, link, attention, watch)
            events = watch.hand_over(number)
            if events is not None:
                try:
                    self.results.append(self._write(events, None))
                except OSError as error:
                    raise disk_error(case.out, error) from error
        watch.finish()

    def _goes_on(self, number: int, case: Case, place: Place, device: torch.device, store: Any) -> bool:
        """Rank 0 decides for all whether there is time left for this case."""
        if place.rank == 0:
            guess = case.guessed_seconds(device.type)
            runs = TimeLimit(self.options.ends).leaves(guess)
            say("case", number=number, name=case.name, state="begin" if runs else "omitted", guessedSeconds=guess)
            store.set(f"case/{number}", "run" if runs else "omit")
        return store.get(f"case/{number}") == b"run"

    def _measure_activations(self, case: Case, place: Place, device: torch.device, link: Any, store: Any) -> None:
        """Ranks hand their results to rank 0 through the store."""
        options, job, wanted = self.options, case.job, case.activations
        assert wanted is not None
        pairs = [group for group in job.groups() if len(group) == 2]
        if not pairs:
            raise RunError("schedule", "--activations needs a forward schedule and its backward schedule.")
        forward, backward = (job.schedules[index] for index in pairs[0])
        inputs = Inputs(forward, device, options.seed, 1.0, job.visible)
        attention = _kernel(job, device)
        found = compare_modes(
            inputs,
            (forward, backward),
            place.rank,
            link,
            attention,
            wanted.layers,
            wanted.text_width,
            wanted.visual_width,
        )
        store.set(f"activations/{self._current}/{place.rank}", json.dumps(found))
        if place.rank == 0:
            ranks = [json.loads(store.get(f"activations/{self._current}/{rank}")) for rank in range(place.ranks)]
            result = {
                "algorithm": forward.algorithm,
                "workload": job.workload["name"],
                "textWidth": wanted.text_width,
                "visualWidth": wanted.visual_width,
                "device": describe_device(device),
                "kernel": attention.label,
                "ranks": ranks,
            }
            os.makedirs(os.path.dirname(os.path.abspath(case.out)), exist_ok=True)
            with open(case.out, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=2)
            say("activations", path=os.path.abspath(case.out), **result)

    def _run_job(
        self, case: Case, place: Place, device: torch.device, link: Any, attention: BlockAttention, watch: Watch
    ) -> None:
        options, number, job = self.options, self._current, case.job
        references: References = {}

        def record(event: dict) -> None:
            watch.record({"job": number, **event})

        passes = ([CHECK_REPEAT] if case.check != "none" else []) + list(range(-case.warmup, case.repeat))
        total = len(passes) * sum(len(schedule.operations(place.rank)) for schedule in job.schedules)
        meter = _Meter(place.rank, total, job.name)
        for group in job.groups():
            schedules = [job.schedules[index] for index in group]
            inputs = Inputs(schedules[0], device, options.seed, options.query_scale, job.visible)
            uses, starts = combined_uses(schedules, place.rank)
            blocks = {kind: inputs.block(kind, place.rank) for kind in ("Q", "K", "V")}
            if len(group) > 1:
                blocks["dO"] = inputs.block("dO", place.rank)
            for repeat in passes:
                state = RankState(schedules[0], place.rank, device)
                for kind, tensor in blocks.items():
                    state.put_own(kind, tensor)
                if schedules[0].repeated:
                    state.repeat_own_keys()
                checked = repeat == CHECK_REPEAT
                verify = Verification(inputs, place.rank, record, references, case.check == "full") if checked else None
                executor = Executor(state, inputs, link, attention, verify.after_merge if verify else None)
                for index, schedule, start in zip(group, schedules, starts):
                    meter.what, meter.schedule = schedule.label(), schedule
                    if verify:
                        verify.begin(index, schedule)
                    if device.type == "cuda":
                        torch.cuda.reset_peak_memory_stats(device)
                    recorder = Recorder(record, index, repeat, place.rank, device, not link.synchronous)
                    link.barrier()
                    recorder.begin(None if checked else link.hold_back(len(schedule.operations(place.rank))))
                    executor.run(schedule, recorder, uses, start, meter.step)
                    if device.type == "cuda":
                        peak = torch.cuda.max_memory_allocated(device)
                        record({"e": "peak", "run": index, "repeat": repeat, "rank": place.rank, "bytes": peak})
                    if verify and schedule.pass_name == "forward":
                        verify.final_output(state)
                    elif verify:
                        verify.final_gradients(state)
        meter.finish()

    def _write_partial(self, events: Events, error: RunError) -> Optional[str]:
        """What the ranks had handed in when the run broke, marked as partial."""
        if self._setting is None:
            return None
        return self._write(events, error)["trace"]

    def _write(self, events: Events, failure: Optional[RunError]) -> Dict[str, Any]:
        setting, path = self._setting, self.cases[self._current].out
        assert setting is not None
        flat = [event for rank in sorted(events) for event in events[rank] if event["job"] == self._current]
        outcomes = _outcomes(setting, flat, failure is not None)
        description = describe(setting, outcomes, failure)
        found = tables([outcome.ledger for outcome in outcomes], [a for o in outcomes for a in o.agreements])
        write_trace(path, description, found)
        summary = _summary(description, path)
        if failure is None:
            say("trace", path=os.path.abspath(path), partial=False)
            say("result", **summary)
        return summary


class _Meter:
    """Progress of rank 0, ten times a second at most."""

    def __init__(self, rank: int, total: int, name: str) -> None:
        self.what = name
        self.schedule: Optional[Schedule] = None
        self._rank, self._total, self._done, self._said = rank, total, 0, 0.0

    def step(self, _: int) -> None:
        self._done += 1
        if self._rank == 0 and time.monotonic() - self._said > 0.1:
            self._said = time.monotonic()
            say("progress", done=self._done, total=self._total, what=self.what, **self._running())

    def _running(self) -> Dict[str, Any]:
        one = self.schedule
        return {"algorithm": one.algorithm, "repeated": one.repeated, "pass": one.pass_name} if one else {}

    def finish(self) -> None:
        if self._rank == 0:
            say("progress", done=self._total, total=self._total, what="writing the trace")


def _outcomes(setting: Setting, events: List[dict], failed: bool) -> List[Outcome]:
    outcomes = []
    offsets = [offset.offset for offset in setting.offsets]
    for index, schedule in enumerate(setting.job.schedules):
        own = [event for event in events if event["run"] == index]
        repeats = sorted({event["repeat"] for event in own if "repeat" in event and event["e"] == "begin"})
        ledgers = {
            repeat: RunLedger(index, schedule, [event for event in own if event.get("repeat") == repeat], offsets)
            for repeat in repeats
        }
        timed = {repeat: ledger.total for repeat, ledger in ledgers.items() if repeat >= 0 and ledger.ended_ranks == schedule.ranks}
        if timed:
            chosen = median_repeat(timed)
        elif ledgers and failed:
            chosen = repeats[-1] if repeats[-1] != CHECK_REPEAT else repeats[0]
        else:
            continue
        agreements = [event for event in own if event["e"] == "agreement"]
        peaks: Optional[List[int]] = None
        peak_events = [event for event in own if event["e"] == "peak" and event["repeat"] == chosen]
        if len(peak_events) == schedule.ranks:
            peaks = [event["bytes"] for event in sorted(peak_events, key=lambda event: event["rank"])]
        outcomes.append(Outcome(ledgers[chosen], [total for total in timed.values()], agreements, peaks))
    return outcomes


def _setting(
    options: argparse.Namespace,
    case: Case,
    members: List[Member],
    backend: str,
    attention: BlockAttention,
    offsets: List[ClockOffset],
) -> Setting:
    sharing = sharing_note(members)
    notes = [sharing] if sharing else []
    return Setting(case.job, members, backend, attention.label, case.slow, offsets, case.warmup, options.seed, notes)


def _kernel(job: Job, device: torch.device) -> BlockAttention:
    schedule = job.schedules[0]
    group = schedule.query_heads // schedule.key_value_heads
    return choose_block_attention(device, schedule.element, schedule.head_size, group, job.visible is not None)


def _greet(members: List[Member], backend: str) -> None:
    hosts = len({member.host for member in members})
    devices = sorted({member.device_name for member in members})
    say("note", text=f"{len(members)} ranks on {hosts} host{'s' if hosts > 1 else ''}, {backend}: {'; '.join(devices)}")
    say("ranks", members=[asdict(member) for member in members])
    sharing = sharing_note(members)
    if sharing:
        say("note", text=sharing)


def _summary(description: Dict[str, Any], path: str) -> Dict[str, Any]:
    runs = [
        {
            "algorithm": run["algorithm"],
            "pass": run["pass"],
            "repeatKeyValueHeads": run["wire"]["repeatKeyValueHeads"],
            "seconds": run["times"]["total"] if "times" in run else None,
            "repeatSeconds": run["repeats"]["totals"],
            "exposedSeconds": max(run["times"]["exposed"]) if "times" in run else None,
            "computeSeconds": max(run["times"]["compute"]) if "times" in run else None,
            "communicationSeconds": max(run["times"]["communication"]) if "times" in run else None,
            "stallSeconds": max(run["times"]["stall"]) if "times" in run else None,
            "peakBytesPerRank": run["memory"]["peakPerRank"],
            "bytesSentPerRank": run["bytes"]["sentPerRank"],
            "agreement": run.get("agreement"),
            "failedChecks": [check for check in run["checks"] if not check["passed"]],
        }
        for run in description["runs"]
    ]
    ok = description["status"]["state"] == "complete" and not any(run["failedChecks"] for run in runs)
    return {"trace": os.path.abspath(path), "workload": description["workload"]["name"], "ok": ok, "runs": runs}


def _tell_others(store: Any, error: RunError) -> None:
    try:
        store.set("fault", json.dumps(error.as_line()))
        store.add("faults", 1)
    except RuntimeError:
        pass


def _out_of_memory(place: Place, device: torch.device, text: str) -> RunError:
    what = "GPU memory" if device.type == "cuda" else "memory"
    detail = f" ({text.splitlines()[0][:160]})" if text else ""
    return RunError(
        "out-of-memory",
        f"Rank {place.rank} ran out of {what} on {device}{detail}.",
        "Use more ranks or smaller sizes (fovea traffic --scale), or put fewer ranks on one GPU.",
        place.rank,
    )


def main(options: argparse.Namespace) -> NoReturn:
    end_with_parent()
    if options.traceback and hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    cases = load_cases(options.cases) if options.cases else [case_of_options(options)]
    RankRun(options, cases).go()
