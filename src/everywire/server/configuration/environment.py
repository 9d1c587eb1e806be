"""The layer of the environment: a variable for each setting, and one for all rules.

Variables that begin as ours do and are none are problems, but for those that Kubernetes sets where
a service is called everywire (``EVERYWIRE_SERVICE_HOST``, ``EVERYWIRE_PORT=tcp://…``): nobody chose
them, and a server must not stop for the name of its own service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from everywire.server.configuration.layers import Layer
from everywire.server.configuration.naming import unknown_variable
from everywire.server.configuration.origins import Entry, Origin, Problem
from everywire.server.configuration.schema import CHANNELS, SERVER, VARIABLE_PREFIX

CHANNELS_VARIABLE: Final = VARIABLE_PREFIX + CHANNELS.upper()
"""Rules, with spaces or line breaks between them: no name of a channel has any."""

FILE_VARIABLE: Final = VARIABLE_PREFIX + "CONFIG"
OTHER_VARIABLES: Final = (
    FILE_VARIABLE,
    *(VARIABLE_PREFIX + name for name in ("URL", "TOKEN", "JWT_KEY", "KEYS")),
)
"""Variables of ours that are no settings of a server."""

_BY_VARIABLE: Final = {setting.variable: setting for setting in SERVER}
_OF_KUBERNETES: Final = re.compile(r"EVERYWIRE_(?:SERVICE_(?:HOST|PORT\w*)|PORT_[0-9]+_\w+)")


def read_environment(environment: Mapping[str, str]) -> Layer:
    """What the environment says."""
    layer = Layer(text=True)
    for variable, value in environment.items():
        if not variable.startswith(VARIABLE_PREFIX) or variable in OTHER_VARIABLES:
            continue
        origin = Origin("environment", variable)
        setting = _BY_VARIABLE.get(variable)
        if _is_of_kubernetes(variable, value):
            continue
        if not _is_utf8(value):
            layer.problems.append(Problem(variable, "is not UTF-8"))
        elif variable == CHANNELS_VARIABLE:
            layer.add_rules(value.split(), origin)
        elif setting is not None:
            layer.entries.append(Entry(setting.path, value, origin))
        else:
            message = unknown_variable(variable, (*OTHER_VARIABLES, CHANNELS_VARIABLE))
            layer.problems.append(Problem(variable, message))
    return layer


def _is_of_kubernetes(variable: str, value: str) -> bool:
    if variable == VARIABLE_PREFIX + "PORT":
        return value.startswith(("tcp://", "udp://", "sctp://"))
    return _OF_KUBERNETES.fullmatch(variable) is not None


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
