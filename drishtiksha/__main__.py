"""`python -m drishtiksha` is the command line."""

from drishtiksha.cli import main

main()
