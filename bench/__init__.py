"""What the service does under load, measured: `make bench`, or `python -m bench --help`.

Nothing here is run by `make test` but a smoke test that takes a few seconds and judges no figure.
"""
