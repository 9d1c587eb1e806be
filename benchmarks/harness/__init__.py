"""The machinery of ``run.py`` and ``growth.py``: what is run, on which cores, and what comes of it.

installing   the peers' dependencies, into this folder alone
servers      how each server is started and spoken to, and what it promises
scenarios    which cells (server, wire, settings) a scenario consists of
running      a server that was started, and what the load client is told of it
processes    pinned processes; their CPU time and memory, read from /proc
load         the C client: compiled at first use, run, its milestones
profiling    where a server's time goes, by py-spy
figures      from what was counted to figures; medians, spread, ratios
budgets      the figures that are aimed at
report       RESULTS.md
growing      the sweeps of growth.py: which sizes of what
charts       their plots, as SVG
"""
