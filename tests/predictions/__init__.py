"""Every accepted refund call of the recordings, predicted: `python -m tests.predictions [DIR …]`."""
