"""The log in one SQLite file: the default.

Two threads beside the loop's::

    loop's thread      SqliteLog (log.py): gathers appends, answers from the tail
      │  one batch at a time
    writer's thread    Store (store.py): the one connection that writes, trims and checkpoints
      │                  appending.py   a batch of appends in one transaction
      │                  retention.py   small steps of trimming, each with its watermarks
    reader's thread    Reader (reading.py): a read-only connection; each answer from one snapshot

``schema`` is the file's layout and its migrations, ``rows`` how a message becomes a row, ``state``
and ``leases`` what is written of keyed state and of leases, ``queries`` what reading asks,
``connecting`` which SQLite is trusted and how it is opened, ``faults`` what its errors mean,
``lock`` keeps a second process out, ``worker`` is a thread that answers on the loop.

Group commit: what gathers while a batch is being committed is the next batch. So a batch costs one
fsync and two wake-ups, however many appends it holds.
"""

from everywire.logs.sqlite.log import SqliteLog, Synchronous

__all__ = ["SqliteLog", "Synchronous"]
