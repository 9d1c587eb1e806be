"""Tormenting a server, and holding it to its promises.

``stages``, ``links`` and ``chaos`` are a proxy that does to connections what networks do;
``proxy_thread`` runs it for callers that block. ``faults`` draws what happens to whom, and when,
from a seed. ``publishers`` and ``hoppers`` are the traffic; ``history`` is what they were told, and
``checker``, with ``facts`` and ``listening``, says which promises that breaks. ``server`` is a
server that can be killed, ``reading`` asks what its log holds, ``run`` is the whole, ``verdict``
what comes of it.

It knows of a server only what a client may: nothing here imports one.
"""
