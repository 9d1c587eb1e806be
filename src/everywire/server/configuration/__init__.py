"""From a file, the environment and the command line to one typed `Settings`.

::

    schema      what can be set: read off the types and docstrings of Settings, Limits, ChannelRule
    quantities  "7d", "1GiB", "250ms": numbers with units, read and written
    values      one value: from what was written to what the type wants, or what is allowed instead
    naming      a name that there is not: what was meant
    toml_lines  on which line of a file each key stands
    rule_text   PATTERN:KEY=VALUE,… as the environment and the command line write rules
    layers      what one source says; toml_file and environment make one each, cli a third
    loading     the layers, one over the other, each value with its origin
    writing     settings as a commented file
    describing  settings as a reference, in Markdown
    reloading   what of new settings a running server can take

Nothing here knows a single setting by name but where it has to (`loading`, `reloading`): a new
field of one of those classes is a new setting, with its key in the file, its variable, its place in
the reference and its line in the file that is written.

A layer wins over those below it: command line, environment, file, default. All that is wrong is
said at once, each with where it stands, what is allowed, and the nearest name where one is unknown.
"""

from __future__ import annotations

from everywire.server.configuration.loading import Configuration, Sources, load
from everywire.server.configuration.origins import ConfigurationError, Problem

__all__ = ["Configuration", "ConfigurationError", "Problem", "Sources", "load"]
