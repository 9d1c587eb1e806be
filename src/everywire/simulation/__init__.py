"""A whole server and a hundred clients in one thread, where a seed decides what happens next.

The server is the real one, from the first byte of a request: its HTTP protocol, its sessions, its
hub, its catching up, its timers, its log. What it stands on is not: ``loop`` has a clock that only
moves when it is told, ``network`` has transports that hold what was written until somebody takes
it, ``logs`` has logs that commit and answer when they are let. So nothing waits, nothing runs
beside anything else, and what happens is a list of steps.

``plan`` draws that list from a seed. ``world`` carries it out on a ``machine``: publishes, bytes
that arrive, cuts, stalls, commits, pages that come late or not at all, trims, time, restarts.
``clients`` go on after each cut on a wire of their own choice (``asking``); what they are told
(``decoding``) is written down in the words of `everywire.torture.history`, and ``judging`` holds it
to the promises with the same checker that judges the tortured server, and to some that only who
knows the whole ``truth`` can check. ``shrinking`` makes a list that breaks a promise as short as it
can, ``run`` goes through many seeds on every core.
"""
