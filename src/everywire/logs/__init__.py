"""Where the log lives.

``base`` says what a log promises; ``memory`` and ``sqlite`` keep it. One conformance suite
(tests/logs/test_conformance.py) holds for every one of them, and for those still to come (NATS,
Redis). ``opening`` turns ``memory:`` or ``sqlite:PATH`` into a log.
"""
