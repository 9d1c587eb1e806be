"""Where a server's time goes: py-spy beside the load, told as two tables.

py-spy samples the Python stacks of the server from outside. What a line of the kernel or of uvloop
costs is charged to the Python function that called it (a `write` is the system call too); time in
which uvloop runs no Python at all is shown as such. Sampling slows the server by a few percent, so
no figure of a profiled run is to be quoted.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

from harness.installing import PYTHON, install
from harness.load import BUILD

RATE = 400
TOP = 30
_RAW = BUILD / "profile.txt"


class Profile:
    """A running sampler of a process; ``python`` of the dependencies brings py-spy."""

    def __init__(self, pid: int) -> None:
        install("python")
        tool = PYTHON.parent / "py-spy"
        command = [tool, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw"]
        command += ["--output", _RAW, "--duration", "240", "--function"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
        )

    def finish(self) -> str:
        """Stop sampling and tell where the time went."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        return told(_RAW)


def told(raw: Path) -> str:
    """Self and total time by function, of a file in the format of collapsed stacks."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_shortened(frame) for frame in stack.split(";")]
        samples += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    if not samples:
        return "no samples"
    lines = [f"{samples} samples; self, total, function"]
    for frame, count in own.most_common(TOP):
        lines.append(f"  {count / samples:6.1%} {total[frame] / samples:6.1%}  {frame}")
    lines.append("by total")
    for frame, count in total.most_common(TOP):
        lines.append(f"  {own[frame] / samples:6.1%} {count / samples:6.1%}  {frame}")
    return "\n".join(lines)


def _shortened(frame: str) -> str:
    name, _, where = frame.partition(" (")
    path = where.rstrip(")")
    return f"{name} ({'/'.join(path.split('/')[-2:])})" if path else name
