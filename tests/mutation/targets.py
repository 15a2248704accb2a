"""What is mutated, and the tests that must notice."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).parents[2]

#: What holds the planner against Magento as recorded, and against the oracle for some orders, counts as its tests.
_OF_CORE = (
    "tests/core",
    "tests/predictions",
    "tests/oracle/test_oracle.py::test_the_planner_and_the_oracle_agree[0]",
)
_OF_FLOW = ("tests/flow",)
_OF_VERIFIERS = ("tests/sources",)

#: Words in the names of tests that are left out: the older Magento tells nothing more about a fault of ours, and what
#: takes seconds would be waited for at each fault that survives. A fork shares its parent's connections to PostgreSQL.
NOT_RUN = ("postgresql", "2.4.1", "after_a_week", "waiting_for_ever", "away_for_a_day", "made_to_be_slow")


def _modules(folder: str) -> list[str]:
    return sorted(f"{folder}/{file.name}" for file in Path(_ROOT, folder).glob("*.py") if file.name != "__init__.py")


#: Module → tests. Only fast ones: a fault that these miss is one that a developer would not see at once.
TARGETS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_modules("service/core"), _OF_CORE),
    **{f"service/flow/{name}.py": _OF_FLOW for name in ("execute", "reconcile", "confirm")},
    "service/sources/base.py": _OF_VERIFIERS,
    **dict.fromkeys(_modules("service/sources/auth"), _OF_VERIFIERS),
}


def module_name(path: str) -> str:
    return ".".join(Path(path).with_suffix("").parts)
