"""`python -m modlog`: the command line."""

from modlog._faces.cli import main

if __name__ == "__main__":
    main()
