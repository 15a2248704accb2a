"""The real flow, store and sources against the sandbox store, with time, network, crashes and turns under one seed."""
