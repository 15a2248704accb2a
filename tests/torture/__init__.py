"""kill -9 of the real processes at random moments: `make torture`, or `python -m tests.torture --help`."""
