"""Tormenting a server, and holding it to its promises.

``stages`` and ``chaos`` are a proxy that does to connections what networks do; ``faults`` draws
what happens to whom, and when, from a seed. ``publishers`` and ``hoppers`` are the traffic;
``history`` is what they were told, ``checker`` says which promises that breaks. ``server`` is a
server that can be killed, ``run`` is the whole.
"""
