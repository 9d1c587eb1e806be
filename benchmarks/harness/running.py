"""A server that was started for a run, and what the load client is told of it."""

from __future__ import annotations

import shutil
import time

from harness import load, processes
from harness.scenarios import Cell
from harness.servers import DATA, Server

SETTLE_SECONDS = 0.2


class Running:
    """A server that was started, with a folder of its own."""

    def __init__(self, server: Server, core: int) -> None:
        self.server = server
        self.port = processes.free_port()
        self._folder = DATA / f"{server.name}-{self.port}"
        self._folder.mkdir(parents=True)
        command = server.command(self.port, self._folder)
        # Beside the folder, so that what a server said when it failed outlives it.
        self._log = load.BUILD / f"{server.name}.log"
        self.process = processes.spawn(command, core, log=self._log)
        try:
            processes.wait_for_port(self.port, self.process)
            # nginx listens before its worker is there.
            time.sleep(SETTLE_SECONDS)
        except RuntimeError as error:
            self.stop()
            said = self._log.read_text().strip()[-300:]
            raise RuntimeError(f"{error}: {said}") from None

    def stop(self) -> None:
        """End it and remove what it wrote."""
        processes.stop(self.process)
        shutil.rmtree(self._folder, ignore_errors=True)


def load_options(cell: Cell, target: Running) -> dict[str, str | int | float]:
    """What the load client is told for a cell."""
    server = target.server
    wire = server.wires[cell.wire]
    publish_target = server.publish_target
    if cell.kept and server.keep_wires is not None:
        wire = server.keep_wires[cell.wire]
        publish_target = server.keep_target
    options: dict[str, str | int | float] = {
        "port": target.port,
        "pub_port": target.port + int(server.publish_next_port),
        "wire": cell.wire,
        "dialect": wire.dialect,
        "target": wire.target,
        "since": wire.since,
        "pub_target": publish_target,
        "pub_body": server.publish_body,
        **cell.options,
    }
    if options.get("pub") == "ws":
        options["pub_target"] = "/ws"
        options["pub_body"] = '{"type":"publish","channel":"{c}","data":{d}}'
    return options
