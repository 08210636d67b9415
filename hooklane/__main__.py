"""Run the command line as `python -m hooklane`."""

from hooklane.cli import main

if __name__ == "__main__":
    main()
