"""A layer: what a file, the environment or the command line says, and what is wrong with it.

A layer is read whole: what is wrong in it is noted beside what is right, so that all of it can be
said at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from everywire.server.configuration.origins import Entry, Origin, Problem
from everywire.server.configuration.rule_text import parse_rule
from everywire.server.configuration.schema import CHANNELS


@dataclass
class Layer:
    """See the module.

    Attributes:
        entries: Its values. A rule is an entry of its own, ahead of those of its keys: the order
            of rules counts, and so does one without keys.
        problems: What is wrong.
        text: Its values are texts, not of a type of their own.
    """

    entries: list[Entry] = field(default_factory=list[Entry])
    problems: list[Problem] = field(default_factory=list[Problem])
    text: bool = False

    def add_rules(self, rules: Sequence[str], origin: Origin) -> None:
        """Add rules that are written as text.

        Args:
            rules: ``PATTERN:KEY=VALUE,…``, in order.
            origin: Where they stand.
        """
        for text in rules:
            try:
                pattern, values = parse_rule(text)
            except ValueError as error:
                self.problems.append(Problem(origin.where, str(error)))
                continue
            path = (CHANNELS, pattern)
            if any(entry.path == path for entry in self.entries):
                self.problems.append(Problem(origin.where, f"{pattern!r} has two rules"))
                continue
            self.entries.append(Entry(path, None, origin))
            self.entries += [Entry((*path, key), value, origin) for key, value in values.items()]
