"""``python -m everywire``: the command line."""

from everywire.cli import main

if __name__ == "__main__":
    main()
