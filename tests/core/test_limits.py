"""core.limits: defaults that follow from one another."""

from everywire.core.limits import Limits


def test_a_frame_holds_the_largest_data_as_base64() -> None:
    """PROTOCOL.md, Limits: 4/3 of the data and 4 KiB."""
    limits = Limits()
    assert limits.frame_bytes == 64 * 1024 * 4 // 3 + 4096
    assert Limits(max_data_bytes=300).frame_bytes == 400 + 4096


def test_a_frame_limit_of_its_own_wins() -> None:
    assert Limits(max_frame_bytes=1000).frame_bytes == 1000
