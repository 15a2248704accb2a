"""Replays recordings of a real Magento against the sandbox store and says where they differ.

    python -m tests.conformance DIR

Source of the rules: recordings/FORMAT.md.
"""
