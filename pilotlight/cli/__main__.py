"""`python -m pilotlight.cli`: `pilot`, where it is not installed."""

from pilotlight.cli.main import main

main()
