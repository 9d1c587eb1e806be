"""What variables say, and which are not meant for us."""

from __future__ import annotations

import pytest

from everywire.server.configuration.environment import OTHER_VARIABLES, read_environment


def test_each_setting_has_a_variable() -> None:
    layer = read_environment(
        {
            "PATH": "/bin",
            "EVERYWIRE_PORT": "9000",
            "EVERYWIRE_RETENTION_MAX_AGE": "7d",
            "EVERYWIRE_LIMITS_MAX_WAIT": "20s",
            "EVERYWIRE_HOST": "",
        }
    )
    assert layer.problems == []
    assert layer.text
    assert [(entry.path, entry.value, str(entry.origin)) for entry in layer.entries] == [
        (("port",), "9000", "EVERYWIRE_PORT"),
        (("retention", "max_age"), "7d", "EVERYWIRE_RETENTION_MAX_AGE"),
        (("limits", "max_wait"), "20s", "EVERYWIRE_LIMITS_MAX_WAIT"),
        (("host",), "", "EVERYWIRE_HOST"),
    ]


def test_rules_stand_in_one_variable() -> None:
    layer = read_environment({"EVERYWIRE_CHANNELS": "a.*:count=1\n  b:slow=latest,age=1h "})
    assert layer.problems == []
    assert [(entry.path, entry.value) for entry in layer.entries] == [
        (("channels", "a.*"), None),
        (("channels", "a.*", "max_messages"), 1),
        (("channels", "b"), None),
        (("channels", "b", "slow"), "latest"),
        (("channels", "b", "max_age"), 3600.0),
    ]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("EVERYWIRE_PROT", "1", "did you mean EVERYWIRE_PORT?"),
        ("EVERYWIRE_", "1", "there is no setting"),
        ("EVERYWIRE_port", "1", "there is no setting"),
        ("EVERYWIRE_CHANNELS", "a:count=x", "count of 'a' has to be a whole number"),
        ("EVERYWIRE_CHANNELS", "a:count=1 a:age=1", "'a' has two rules"),
        ("EVERYWIRE_HOST", "\udcff", "is not UTF-8"),
    ],
)
def test_what_is_wrong(variable: str, value: str, words: str) -> None:
    (problem,) = read_environment({variable: value}).problems
    assert problem.where == variable
    assert words in problem.message


def test_variables_for_other_commands_are_no_settings() -> None:
    layer = read_environment(dict.fromkeys(OTHER_VARIABLES, "anything"))
    assert (layer.entries, layer.problems) == ([], [])


def test_what_kubernetes_says_of_a_service_named_everywire_is_nothing_to_us() -> None:
    """It sets these in every container beside such a service, ours among them."""
    layer = read_environment(
        {
            "EVERYWIRE_SERVICE_HOST": "10.0.0.7",
            "EVERYWIRE_SERVICE_PORT": "8000",
            "EVERYWIRE_SERVICE_PORT_HTTP": "8000",
            "EVERYWIRE_PORT": "tcp://10.0.0.7:8000",
            "EVERYWIRE_PORT_8000_TCP": "tcp://10.0.0.7:8000",
            "EVERYWIRE_PORT_8000_TCP_ADDR": "10.0.0.7",
        }
    )
    assert (layer.entries, layer.problems) == ([], [])
