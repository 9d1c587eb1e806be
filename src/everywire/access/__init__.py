"""Who somebody is: from the bytes they show to a grant.

What a grant allows is decided in `everywire.core.access`. Here is how one comes by it, in the order
in which a request passes:

* ``credentials``: where in a request a token may stand, and how it is kept out of logs;
* ``authenticator``: the one object that a server asks; what it found out it remembers;
* ``tokens``: whose signature is on a token; ``claims``: then, and only then, what it says;
* ``issuers``, ``keys``, ``key_sets``, ``fetching``: whose keys count, for which algorithm, and
  where they come from;
* ``api_keys``, ``key_file``: keys of back ends, and the file that has their hashes;
* ``revocations``: what counted and does so no more; ``refusals``: how that is said;
* ``settings``, ``sources``: all of it from a few settings;
* ``minting``, ``inspecting``, ``explaining``: for people: making tokens, and saying why not.

Rule 1: nothing a token says is used for anything before its signature is checked; not to choose
the issuer, not to fetch a key, not to word an error. Of the header, which is no more trusted, two
things are used: ``kid``, to choose among the keys that are here, and ``alg``, to refuse the token
if it is not the one that the key is for.
Rule 2: an error says what is wrong with a token and repeats no part of it that could be used.
Rule 3: who shows a credential that does not count is refused. Nobody becomes anonymous by it.
"""
