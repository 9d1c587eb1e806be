"""The three wires, measured on the machine of whoever asks.

Everybody knows that a WebSocket is faster and that Server-Sent Events come back by themselves. Here
each such claim is a measurement or a test against a real server, with its spread over runs.

The rooms: ``servers`` starts what is measured; ``wires`` are the clients, one a wire, which count
their bytes; ``proxies`` stand between; ``speed``, ``footprint``, ``cuts`` and ``passing`` measure
one thing each; ``measuring`` plans the whole and ``results`` is what comes of it, which
``report`` prints and ``html`` draws.
"""
