"""The rules of Everywire, without I/O.

Rule 1: nothing in here waits, reads a clock, draws a random number or touches a socket.
Rule 2: time and bytes come in as arguments; decisions go out as values.

The rooms, in the order in which a message passes them:

* ``channels``, ``payload``, ``messages``: what may be published, and under which name;
* ``access``, ``limits``, ``rules``: what is allowed, how much of it, and per channel;
* ``positions``, ``watermarks``, ``pages``: what a position means, what was lost, what a read
  answers;
* ``subscriptions``, ``audiences``, ``hub``, ``conflation``: who hears what, and from where;
* ``wheel``: when.
"""
