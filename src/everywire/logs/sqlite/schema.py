"""The file's layout, and how an older one becomes it.

* ``meta``: one row. ``head`` outlives the messages; ``bytes`` is the sum of their sizes;
  ``probes`` is there to be written, to see whether the disk works.
* ``channels``: those that hold something: messages, a watermark above the floor, an end.
* ``messages``: the position is the rowid; one more index, by channel (SQLite adds the rowid to
  it, so it is in position order). Two partial indexes cost nothing where nothing expires.
* ``state``: which position is the newest of each channel and key. ``aside``: messages that are, and
  that retention would have taken; ``free`` when they are no more. ``kept``: both kinds of messages.
  ``meta.bytes`` counts ``messages``, ``meta.state_bytes`` what ``state`` points to.
* ``leases``: wills, with no time at which they are due (logs/leases.py).
* ``keys``: idempotency keys, by the name of the channel, which they outlive.
* ``openings``: the holes that openings left (core/positions.py).

`STEPS` leads from each version to the next; ``PRAGMA user_version`` says where a file stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from everywire.core.errors import LogRefused
from everywire.logs.sqlite.connecting import Connection

APPLICATION_ID: Final = 0x45764C67
"""``EvLg``: tells our files from other applications'."""

_VERSION_1: Final = """
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  birth INTEGER NOT NULL,
  head INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  probes INTEGER NOT NULL
) STRICT;
CREATE TABLE channels (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  watermark INTEGER NOT NULL DEFAULT 0,
  final INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX channels_by_watermark ON channels (watermark) WHERE watermark > 0;
CREATE INDEX channels_by_final ON channels (final) WHERE final > 0;
CREATE TABLE messages (
  position INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  ts INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  size INTEGER NOT NULL,
  event TEXT,
  data BLOB NOT NULL,
  connection TEXT,
  user TEXT,
  key TEXT,
  meta BLOB
) STRICT;
CREATE INDEX messages_by_channel ON messages (channel);
CREATE INDEX messages_by_expiry ON messages (expires) WHERE expires > 0;
CREATE TABLE keys (
  channel TEXT NOT NULL,
  publisher TEXT NOT NULL,
  key TEXT NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (channel, publisher, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_expiry ON keys (expires);
CREATE TABLE openings (
  head INTEGER PRIMARY KEY,
  next INTEGER NOT NULL
) STRICT;
"""

# Keyed state and leases. Version 1 kept ``key`` with the message already.
_VERSION_2: Final = """
ALTER TABLE meta ADD COLUMN state_bytes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE state (
  channel INTEGER NOT NULL,
  key TEXT NOT NULL,
  position INTEGER NOT NULL,
  size INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (channel, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX state_by_position ON state (channel, position);
INSERT INTO state (channel, key, position, size, expires)
  SELECT channel, key, position, size, expires FROM (
    SELECT channel, key, max(position) AS position, size, expires, flags, data
    FROM messages WHERE key IS NOT NULL GROUP BY channel, key
  ) WHERE NOT (flags & 3 = 0 AND data = x'6e756c6c');
UPDATE meta SET state_bytes = (SELECT coalesce(sum(size), 0) FROM state);
CREATE TABLE aside (
  position INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  ts INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  size INTEGER NOT NULL,
  event TEXT,
  data BLOB NOT NULL,
  connection TEXT,
  user TEXT,
  key TEXT,
  meta BLOB,
  free INTEGER NOT NULL
) STRICT;
CREATE INDEX aside_by_channel ON aside (channel);
CREATE INDEX aside_by_expiry ON aside (expires) WHERE expires > 0;
CREATE INDEX aside_free ON aside (position) WHERE free = 1;
CREATE VIEW kept AS
  SELECT position, channel, flags, ts, expires, size, event, data, connection, user, key, meta
  FROM messages
  UNION ALL
  SELECT position, channel, flags, ts, expires, size, event, data, connection, user, key, meta
  FROM aside;
CREATE TABLE leases (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  ttl REAL NOT NULL,
  will BLOB NOT NULL
) STRICT;
"""

STEPS: Final[Sequence[str]] = (_VERSION_1, _VERSION_2)
"""Step n leads from version n to n + 1."""


def check_owner(connection: Connection, path: Path, steps: Sequence[str] = STEPS) -> None:
    """Whether a file is empty or ours, and of a version that we know. Changes nothing.

    Raises:
        LogRefused: It is another application's, or of a newer version.
        apsw.Error: It cannot be read.
    """
    (application,), (version,), (tables,) = connection.execute(
        "PRAGMA application_id; PRAGMA user_version; SELECT count(*) FROM sqlite_schema"
    )
    if application != APPLICATION_ID and (tables or application):
        raise LogRefused(
            f"{path} is a database of another application; give the log a file of its own"
        )
    if version > len(steps):
        raise LogRefused(
            f"the log {path} is of version {version}, this Everywire knows up to {len(steps)}; "
            "use the newer Everywire that wrote it"
        )


def migrate(connection: Connection, steps: Sequence[str] = STEPS) -> None:
    """Bring a file to the newest version, in the transaction that the caller has begun."""
    version: int = connection.execute("PRAGMA user_version").get
    for step in steps[version:]:
        connection.execute(step).fetchall()
    if version < len(steps):
        connection.execute(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {len(steps)}"
        ).fetchall()
