"""`python -m mailseal`: the command-line program."""

from mailseal.cli import main

main()
