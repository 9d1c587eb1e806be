"""How a message becomes bytes, and a client's bytes become commands.

Everything here is pure: bytes in, values out, values in, bytes out.

* ``envelope``: a message as a JSON object; ``packed``: JSON to msgpack and back;
* ``websocket``, ``sse``, ``longpoll``: what each wire sends;
* ``commands``, ``publishing``, ``queries``: what clients ask; ``drafts``, ``members``: the checks
  they share;
* ``frames``, ``frame_reader``, ``deflate``, ``handshake``: RFC 6455 and RFC 7692.
"""
