"""The three wires, measured on the machine of whoever asks.

Everybody knows that a WebSocket is faster and that Server-Sent Events come back by themselves. Here
each such claim is a measurement or a test against a real server, with its spread over runs.

The rooms: ``servers`` starts what is measured; ``clients``, ``socket_client`` and ``http_clients``
are a client a wire, which count their bytes (``wires`` has them by name); the proxies between are
the torture's. ``speed``, ``footprint``, ``cuts`` and ``passing`` measure one thing each;
``measuring`` plans the whole, ``samples`` is what it gathers and ``rows`` the sentences made of
it. ``results`` is what comes of it all, which ``report`` prints, ``html`` and ``plots`` draw and
``findings`` sum up.
"""
