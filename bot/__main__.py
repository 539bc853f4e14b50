"""`python -m bot` is the command `cadre`."""

from bot.cli import main

main()
