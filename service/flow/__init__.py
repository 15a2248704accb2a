"""The imperative shell: receive · process · execute · reconcile · worker. Read, decide, write, call."""
