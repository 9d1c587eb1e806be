"""What Python's collector of cycles need not look at.

A full collection looks at every object there is, and a thousand clients that come back at once
bring several of them about. What is there before the server starts (modules, classes, functions)
never becomes garbage, so it is frozen: from then on a collection looks at connections alone. It
also begins after more new objects than Python's 700: nearly all go without it, and what a gone
connection leaves behind is small and may wait.
"""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (10_000, 20, 20)


def settle_garbage() -> None:
    """Freeze what is there. Only for a process that serves, and nothing else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
