"""Which wire? Questions in, an answer with reasons and code that runs out.

``rules`` hold what speaks for which wire, ``framework`` asks, decides and says why, ``examples``
write the code. All are pure: whoever calls prints the answer, with the figures of the last
comparison behind the reasons (``everywire advise``). The page
docs/explanation/which-wire.md says the same; a test holds the two together.
"""
