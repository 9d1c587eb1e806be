"""The described API: what the server does, said to people and to machines.

::

    codes ────────────────┐
    answers, frames ──┐   │
    clients, members ─┴ schemas ─┬─ openapi  (operations, parameters) ─┐
                                 └─ asyncapi (wires) ──────────────────┴─ page, error_page ─ serving

Tables hold what has to be said (`operations`, `parameters`, `wires`, `members`, `codes`); what the
code knows already is read off it: types off the structs that the wires decode with, bounds off the
limits that this server runs with, statuses off the table of errors. A new route, parameter, frame,
member or code is one entry, and tests fail until it is there: they compare the tables with the
routes, watch what the parsers read, and hold real answers and frames against the schemas.

Everything under ``/docs`` is made of the two documents, once, at the first request for it; a server
that is never asked holds the tables alone. ``docs = false`` turns it off. The ``type`` of a problem
stays the same then: it is an identifier first, and has to mean the same on every server.
"""
