"""Scenarios that the sandbox does not get right, and why. Empty is the aim."""

from __future__ import annotations

KNOWN_DIFFERENCES: dict[str, str] = {}
