"""A restart under load, with as many clients as the machine carries (issue 5, faults)."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from everywire.client import Publisher
from support.processes import ServerProcess

from .crowd import Crowd, Member
from .test_faults import _all_kept, room_for

CLIENTS = 5000
STOP = 12
DRAIN = 4
RETRY_MS = 4000


class Restart(threading.Thread):
    """SIGTERM, the end of the process within its time, and the next one on the same port."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__()
        self._server = server
        self.exit_code: int | None = None

    def run(self) -> None:
        process = self._server.process
        assert process is not None
        process.terminate()
        try:
            # The grace that whoever stops it gives it.
            self.exit_code = process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            return
        self._server.stop()
        self._server.start()


@pytest.mark.timeout(120)
def test_a_restart_with_thousands_of_clients_under_load(
    serve: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """The defence: everybody is told, one by one, and when to come back; nothing is lost.

    Without it all come back in the moment in which the next server opens, or knock in vain until
    it does.
    """
    server = serve(
        *("--log", f"sqlite:{tmp_path / 'log.db'}", "--stop-seconds", f"{STOP}s"),
        *("--drain-seconds", f"{DRAIN}s", "--drain-retry", f"{RETRY_MS}ms"),
    )
    since = json.loads(server.get("/updates?channel=load"))["last_id"]
    count = room_for(CLIENTS)
    share = count * 9 // 20
    crowd = Crowd(
        server.port, "load", {"ws": share, "sse": share, "poll": count - 2 * share}, since
    )
    for number in range(count):
        crowd.come(number)
        if number % 50 == 0:
            crowd.pass_time(0)
    while crowd.listening < 2 * share:
        crowd.pass_time(0.1)

    acknowledged: list[int] = []
    enough = threading.Event()

    def publish() -> None:
        with Publisher(server.url, patience=60) as publisher:
            while not enough.wait(0.4):
                acknowledged.append(publisher.publish("load", "x" * 100).id or 0)

    loads = [threading.Thread(target=publish) for _ in range(2)]
    for load in loads:
        load.start()
    crowd.pass_time(1)
    restart = Restart(server)
    restart.start()
    while restart.is_alive() or crowd.listening < 2 * share:
        crowd.pass_time(0.2)
    restart.join()
    enough.set()
    for load in loads:
        load.join()
    assert restart.exit_code == 0, "it was not gone in time"
    kept = _all_kept(server, "load")
    assert set(acknowledged) <= set(kept)
    while any(member.ids != kept for member in _listeners(crowd)):
        crowd.pass_time(0.1)
        for member in _listeners(crowd):
            assert member.ids == kept[: len(member.ids)], "a hole, or out of order"

    assert all(member.farewells == 1 for member in crowd.members), "not everybody was told"
    told = [member.told for member in _listeners(crowd)]
    assert all(len(one) == 1 for one in told)
    waits = [one[0] for one in told]
    assert min(waits) >= RETRY_MS // 4
    assert max(waits) <= RETRY_MS + 1000 * DRAIN
    arrivals = [member.due[0] for member in _listeners(crowd)]
    _check_spread(arrivals, RETRY_MS / 1000)
    departures = [due - wait / 1000 for due, wait in zip(arrivals, waits, strict=True)]
    _check_spread(departures, DRAIN)
    crowd.close()


def _listeners(crowd: Crowd) -> list[Member]:
    return [member for member in crowd.members if member.wire != "poll"]


def _check_spread(times: list[float], seconds: float) -> None:
    """They take at least half of the time, and no tenth has more than twice the mean."""
    first, last = min(times), max(times)
    tenth = (last - first) / 10
    bins = Counter(min(9, int((when - first) / tenth)) for when in times)
    assert last - first > seconds / 2
    assert max(bins.values()) <= 2 * len(times) / 10, bins
