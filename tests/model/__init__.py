"""The refund protocol as a finite state machine, every state of it visited: `make model`."""
