"""Gaps below a watermark: what is left there of keyed state has losses before it, too.

A gap of what was trimmed stands at the channel's watermark, after which all is kept. Before it
there are messages only where the newest of a key was kept when those around it went. Whoever gets
such a one has to be told first that something before it may be missing, or a cut between it and the
gap would leave a loss untold. So the gap is told in pieces: one before each of these messages, from
the one before, and the last at the watermark.

Where exactly something was lost between two of them is not known; each piece says what may be.
"""

from __future__ import annotations

from collections.abc import Callable

from everywire.core.channels import matches
from everywire.core.messages import Gap, Message
from everywire.core.pages import Page, Query


def tell_holes(page: Page, query: Query, lost: Callable[[str], int]) -> Page:
    """Tell the losses before messages that are left below a watermark.

    Args:
        page: An answer; changed, and returned.
        query: What was asked.
        lost: The newest lost position of a channel, as far as it is known above ``query.after``.
    """
    gaps = [*page.gaps, *page.left]
    ahead = {gap.channel: gap for gap in gaps if gap.reason == "trimmed"}
    if not ahead or all(item.key is None for item in page.items if isinstance(item, Message)):
        return page
    patterns = [name for name in query.patterns if name in ahead]
    items: list[Message | Gap] = []
    for item in page.items:
        if isinstance(item, Gap):
            items.append(ahead.pop(item.channel) if item.reason == "trimmed" else item)
            continue
        if item.key is not None and item.id < lost(item.channel):
            covering = [name for name in patterns if matches(name, item.channel)]
            for name in (item.channel, *covering):
                gap = ahead.get(name)
                if gap is None:
                    continue
                # Who asked for what is kept is told nothing of what was lost by then.
                if gap.after + 1 < item.id and item.id > query.waived.get(name, 0):
                    items.append(Gap(name, gap.after, item.id, gap.reason))
                ahead[name] = Gap(name, item.id, gap.before, gap.reason)
        items.append(item)
    page.items = items
    page.left = [ahead[gap.channel] for gap in page.left]
    return page
