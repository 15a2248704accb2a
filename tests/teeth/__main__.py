"""`python -m tests.teeth [NAME …]`: apply every seeded defect and see whether its tests catch it.

`--write FILE` writes the table into a document, after its marker. Fails when a single defect is missed, and before
that when one of the tests fails without any defect.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.teeth.defects import DEFECTS, Defect
from tests.teeth.runner import copy_project, failing, try_defect

#: The table is what follows, to the document's end.
MARKER = "<!-- printed by make teeth -->\n"

_HEAD = """\
| defect | what it would do in a shop | caught by |
|---|---|---|
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.teeth", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args(arguments)
    chosen = [defect for defect in DEFECTS if not asked.names or defect.name in asked.names]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="refundry-teeth-") as folder:
        project = copy_project(Path(folder))
        if broken := failing(project, sorted({test for defect in chosen for test in defect.caught_by})):
            sys.stdout.write("these fail without any defect, so that they would catch everything:\n")
            sys.stdout.writelines(f"    {test}\n" for test in broken)
            return 1
        for defect in chosen:
            bite = try_defect(project, defect)
            missed += not bite.is_caught
            said = "caught" if bite.is_caught else f"MISSED by {', '.join(bite.missed)}"
            sys.stdout.write(f"{defect.name:45} {said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} seeded defects are caught\n")
    if asked.write and not missed:
        before, marker, _ = asked.write.read_text().partition(MARKER)
        asked.write.write_text(before + marker + render(DEFECTS))
    return 1 if missed else 0


def render(defects: Sequence[Defect]) -> str:
    """The table as it stands in docs/reliability.md."""
    rows = [f"| {each.name} | {each.breaks} | {_tests(each)} |" for each in defects]
    return _HEAD + "\n".join(rows) + "\n"


def _tests(defect: Defect) -> str:
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in defect.caught_by)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
