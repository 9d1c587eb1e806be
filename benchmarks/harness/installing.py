"""The peers' dependencies, into this folder: nothing is installed into the system.

Python peers get ``.venv`` from the pinned requirements.txt; the Node peer ``npm ci``; nginx and its
nchan module are Debian's packages, downloaded and unpacked under ``.build`` without being
installed (one empty folder is made outside, see ``_NCHAN_FOLDER``). What cannot be had is reported
by name: a peer that is missing is part of the result.
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

# nchan makes a folder in here whatever its configuration says: the directive for it cannot be used
# ("directive is duplicate", 1.3.6). The package nginx-common would bring it.
_NCHAN_FOLDER = Path("/var/lib/nginx")
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
    try:
        _NCHAN_FOLDER.mkdir(exist_ok=True)
    except OSError as error:
        raise CannotInstall(
            f"nchan needs the folder {_NCHAN_FOLDER}, which cannot be made ({error.strerror}): "
            "install Debian's nginx-common"
        ) from None
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
