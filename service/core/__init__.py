"""What we know and decide. Standard library only; no clock, no randomness, no logging, no I/O."""
