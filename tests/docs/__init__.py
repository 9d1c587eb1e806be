"""The documents: their examples run, their tables are the code's, their links lead somewhere."""
