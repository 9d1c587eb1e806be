"""core.access: one decision, which everything asks."""

from everywire.core.access import OPEN, decide


def test_an_open_server_lets_everybody_do_everything() -> None:
    for action in ("subscribe", "publish", "history", "presence"):
        assert decide(OPEN, action, "a.b") is None
        assert decide(OPEN, action, "**") is None


def test_names_that_begin_with_an_at_are_the_server_s() -> None:
    """PROTOCOL.md, channel."""
    for action in ("subscribe", "publish", "history", "presence"):
        for name in ("@user.1", "@", "@**"):
            refused = decide(OPEN, action, name)
            assert refused is not None
            assert refused.code == "forbidden"
            assert refused.status == 403


def test_an_at_elsewhere_is_a_letter_like_others() -> None:
    assert decide(OPEN, "publish", "a.@b") is None
