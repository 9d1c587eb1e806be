"""The documents: their examples run, their tables are those of the code, their links lead somewhere."""
