"""Defects that we know how to make, each with the tests that must catch it (`make teeth`)."""
