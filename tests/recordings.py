"""Where the recordings of a real Magento are: below REFUNDRY_RECORDINGS, in any folder layout.

They are not part of the project. Without them the tests that need them are skipped and say so.
"""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]

FOLDER = _ROOT / os.environ.get("REFUNDRY_RECORDINGS", "../shared/recordings")

WITHOUT = f"not run: no recordings at {FOLDER} (REFUNDRY_RECORDINGS)"


def recording_files(folder: Path = FOLDER) -> tuple[Path, ...]:
    """By path; JSON files that tell no scenario are passed by."""
    return tuple(file for file in sorted(folder.rglob("*.json")) if _tells_a_scenario(file.read_bytes()))


def _tells_a_scenario(content: bytes) -> bool:
    return b'"scenario"' in content and b'"exchanges"' in content
