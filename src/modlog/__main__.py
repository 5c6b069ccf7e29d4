"""`python -m modlog`: the command line."""

from modlog._cli.main import main

if __name__ == "__main__":
    main()
