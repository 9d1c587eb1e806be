"""The peers' dependencies, into this folder alone: nothing of the system is changed.

Python peers get ``.venv`` from the pinned requirements.txt; the Node peer ``npm ci``; nginx and its
nchan module are Debian's packages, downloaded and unpacked under ``.build`` without being
installed. What cannot be had is reported by name: a peer that is missing is part of the result.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness.load import BUILD, HERE

PYTHON = HERE / ".venv" / "bin" / "python"
NODE_FOLDER = HERE / "peers" / "node"
NGINX_ROOT = BUILD / "nginx"
NGINX = NGINX_ROOT / "usr" / "sbin" / "nginx"
NCHAN = NGINX_ROOT / "usr" / "lib" / "nginx" / "modules" / "ngx_nchan_module.so"

_NGINX_PACKAGES = ("nginx", "libnginx-mod-nchan")


class CannotInstall(Exception):
    """A dependency cannot be had here; the message says which and why."""


def install(dependency: str) -> None:
    """Make a dependency available: ``python``, ``node`` or ``nginx``; done once.

    Raises:
        CannotInstall: It cannot be had.
    """
    try:
        _INSTALLERS[dependency]()
    except FileNotFoundError as error:
        raise CannotInstall(f"{error.filename} is not on this machine") from None
    except subprocess.CalledProcessError as error:
        output = (error.stderr or b"").decode(errors="replace").strip()
        last = output.splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise CannotInstall(f"{' '.join(map(str, error.cmd[:3]))}: {last[0]}") from None


def _python() -> None:
    requirements = HERE / "requirements.txt"
    stamp = PYTHON.parent.parent / ".installed"
    if _fresh(stamp, requirements):
        return
    _run(sys.executable, "-m", "venv", PYTHON.parent.parent)
    _run(PYTHON, "-m", "pip", "install", "--quiet", "--requirement", requirements)
    stamp.touch()


def _node() -> None:
    _run("node", "--version")
    stamp = NODE_FOLDER / "node_modules" / ".installed"
    if _fresh(stamp, NODE_FOLDER / "package-lock.json"):
        return
    _run("npm", "ci", "--silent", "--no-audit", "--no-fund", folder=NODE_FOLDER)
    stamp.touch()


def _nginx() -> None:
    if NGINX.exists() and NCHAN.exists():
        return
    downloads = BUILD / "debian"
    downloads.mkdir(parents=True, exist_ok=True)
    _run("apt-get", "download", *_NGINX_PACKAGES, folder=downloads)
    for package in downloads.glob("*.deb"):
        _run("dpkg-deb", "--extract", package, NGINX_ROOT)
    shutil.rmtree(downloads)
    _run(NGINX, "-v")


_INSTALLERS: dict[str, Callable[[], None]] = {"python": _python, "node": _node, "nginx": _nginx}


def _fresh(stamp: Path, source: Path) -> bool:
    return stamp.exists() and stamp.stat().st_mtime > source.stat().st_mtime


def _run(*command: str | Path, folder: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
