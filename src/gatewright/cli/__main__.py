"""`python -m gatewright.cli`: the program `gatewright` where its script is not at hand."""

from gatewright.cli import main

if __name__ == "__main__":
    main()
