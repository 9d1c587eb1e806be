"""Pinned processes, and what they use.

The server (with all its children) gets one core, the load client and this runner another. CPU time
is read in nanoseconds from /proc/PID/task/*/schedstat, where the kernel keeps that, else in ticks
from /proc/PID/stat. Memory is the sum of Pss: socket buffers of the kernel are not in it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 15.0
STOP_SECONDS = 5.0
OPEN_FILES = 50_000

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """Which core is whose."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        """The first two that this process may use; on one core all figures are meaningless."""
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise SystemExit("two cores are needed: one for the server, one for the load")
        return cls(usable[0], usable[1])


def raise_open_files() -> int:
    """Allow as many open files as can be had; children inherit it. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(hard, OPEN_FILES), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
    return soft


def spawn(
    command: Sequence[str],
    core: int,
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start a process on one core, in a group of its own. Without ``log`` its stdout is read."""
    output = subprocess.PIPE if log is None else log.open("w")
    # taskset, not preexec_fn: this process has threads when it starts the load client.
    pinned = ["taskset", "--cpu-list", str(core), *command]
    try:
        return subprocess.Popen(
            pinned,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
            process_group=0,
        )
    finally:
        if log is not None and not isinstance(output, int):
            output.close()


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until a server listens.

    Raises:
        RuntimeError: It ended, or took too long.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"it ended at once with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise RuntimeError(f"it does not listen on port {port} after {START_SECONDS:.0f} s")


def stop(process: subprocess.Popen[str]) -> None:
    """End a process that was started here, and its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS if number == signal.SIGTERM else None)
            return


def free_port() -> int:
    """A port that is free now, and whose successor is too (some peers publish there)."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that processes have used so far, user and system."""
    return sum(_cpu_seconds(pid) for pid in pids)


def _cpu_seconds(pid: int) -> float:
    try:
        tasks = list(_schedstats(pid))
        if any(tasks):
            return sum(tasks) / 1e9
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except OSError:
        return 0.0


def _schedstats(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            yield int((task / "schedstat").read_text().split()[0])


def pss_bytes(pids: Sequence[int]) -> int:
    """Memory of processes, shared pages counted by their share."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def core_busy_seconds(core: int) -> float:
    """How long a core has been busy for anybody, in ticks' precision."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / _TICKS
    return 0.0
