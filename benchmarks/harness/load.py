"""The load client from Python: compile it at first use, run it, sample the server meanwhile.

The client says when its window begins and ends (one JSON object a line); at both the runner reads
the server's CPU time. What the client counted and what was sampled come back as one flat mapping of
numbers.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from harness import processes
from harness.processes import Cores

HERE = Path(__file__).resolve().parent.parent
BUILD = HERE / ".build"
BINARY = BUILD / "load"
LONGEST_SECONDS = 240.0
SAMPLE_SECONDS = 0.1

Counted = dict[str, float]
Options = Mapping[str, str | int | float]


class LoadFailed(Exception):
    """The load client gave up; the message is its own."""


def compile_client() -> None:
    """Compile the client if its sources are newer than what is there."""
    sources = [HERE / "load.c", *sorted((HERE / "load").glob("*.h"))]
    newest = max(source.stat().st_mtime for source in sources)
    if BINARY.exists() and BINARY.stat().st_mtime > newest:
        return
    BUILD.mkdir(exist_ok=True)
    command = ["cc", "-O2", "-Wall", "-o", str(BINARY), str(HERE / "load.c")]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise SystemExit("a C compiler is needed: install one that answers to cc") from None


def run_client(
    server: subprocess.Popen[str], options: Options, cores: Cores, *, watch_memory: bool
) -> Counted:
    """Run the client against a server.

    Args:
        server: The server's process; its children are counted too.
        options: The client's (load/base.h).
        cores: Which core is whose.
        watch_memory: Sample memory all the time, for its peak.

    Raises:
        LoadFailed: The client could not do what was asked.
    """
    watch = _Watch(server.pid, cores)
    if watch_memory:
        watch.begin_sampling()
    arguments = [f"{name}={value}" for name, value in options.items()]
    client = processes.spawn([str(BINARY), *arguments], cores.load)
    alarm = threading.Timer(LONGEST_SECONDS, client.kill)
    alarm.start()
    try:
        counted = _read(client, watch)
    finally:
        alarm.cancel()
        watch.end_sampling()
        client.kill()
        client.wait()
    seen = {**counted, **watch.seen}
    # Somebody on the load's core slows the pair just as much.
    beside = seen.pop("load_core_busy", 0.0) - seen["client_busy"]
    seen["others_busy"] = max(seen.get("others_busy", 0.0), beside)
    return seen


def _read(client: subprocess.Popen[str], watch: _Watch) -> Counted:
    assert client.stdout is not None
    assert client.stderr is not None
    for line in client.stdout:
        said = json.loads(line)
        if said["event"] == "result":
            if said.pop("error"):
                watch.seen["refused"] = said["publish_errors"]
            del said["event"]
            return said
        watch.note(said["event"])
    raise LoadFailed(
        client.stderr.read().strip()[-400:] or "the load client ended without a result"
    )


class _Watch:
    """What the server used between the client's milestones."""

    def __init__(self, pid: int, cores: Cores) -> None:
        self._pids = processes.family(pid)
        self._cores = cores
        self._sampling = threading.Event()
        self._thread: threading.Thread | None = None
        self.seen: Counted = {"memory_before": processes.pss_bytes(self._pids)}

    def note(self, event: str) -> None:
        """Sample at a milestone."""
        if event == "begin":
            self._pids = processes.family(self._pids[0])
        cpu = processes.cpu_seconds(self._pids)
        now = time.monotonic()
        busy = processes.core_busy_seconds(self._cores.server)
        beside = processes.core_busy_seconds(self._cores.load)
        if event == "begin":
            self._at_begin = (cpu, now, busy, beside)
            self.seen["memory_begin"] = processes.pss_bytes(self._pids)
        elif event == "end":
            cpu_before, began, busy_before, beside_before = self._at_begin
            self.seen["server_cpu"] = cpu - cpu_before
            self.seen["server_busy"] = (cpu - cpu_before) / (now - began)
            others = (busy - busy_before) - (cpu - cpu_before)
            self.seen["others_busy"] = max(0.0, others / (now - began))
            self.seen["load_core_busy"] = (beside - beside_before) / (now - began)
            self.seen["memory_end"] = processes.pss_bytes(self._pids)

    def begin_sampling(self) -> None:
        """Watch for the peak of memory, in a thread."""
        self._sampling.set()
        self.seen["memory_peak"] = 0
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def end_sampling(self) -> None:
        """Stop watching."""
        self._sampling.clear()
        if self._thread is not None:
            self._thread.join()

    def _sample(self) -> None:
        while self._sampling.is_set():
            with contextlib.suppress(OSError):
                peak = max(self.seen["memory_peak"], processes.pss_bytes(self._pids))
                self.seen["memory_peak"] = peak
            time.sleep(SAMPLE_SECONDS)
