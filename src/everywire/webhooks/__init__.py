"""Asking and telling others over HTTP.

A back end that does not run inside the server can still have a say. Before somebody connects,
subscribes or publishes it is *asked*, and answers yes, no, or something else instead: a hook, one
request with one answer, while a client waits. And after something happened it is *told*: events,
kept in an outbox on disk until it has taken them.

The rooms, in the order in which a request passes them:

* ``settings``: who is asked and told what, and which addresses may be;
* ``questions``: what is asked, and what may be answered; ``events``: what is told;
* ``calls``: asking; ``breaker``: not asking whoever does not answer;
* ``outbox``, ``outbox_file``: events on disk; ``delivery``: when to send, again, or no more;
  ``insisting``: doing so; ``sending``: the whole of telling;
* ``signing``: who it was (Standard Webhooks 1.0.0), and how a receiver checks that;
* ``addresses``: where a request may go; ``http_client``: taking it there and nowhere else;
* ``service``: the one object that a server holds.

Rule 1: an address is looked up, checked and connected to in one step. What was checked is what is
spoken to; a name that leads somewhere else a moment later changes nothing.
Rule 2: whoever is asked may be down, slow or lying. Each of these is a failure with a name, bounded
in time and bytes, and what a failure means (yes or no) is a setting of each hook.
Rule 3: an event is delivered at least once, or counted as dropped; those of an endpoint in their
order. A hole is seen in the numbers, and told.

What receivers need is here: `verify`, `BadSignature`, `new_secret`. It loads nothing else.
"""

from everywire.webhooks.signing import BadSignature, new_secret, verify

__all__ = ["BadSignature", "new_secret", "verify"]
