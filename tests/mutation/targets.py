"""What is mutated, and the tests that must notice."""

from __future__ import annotations

from pathlib import Path

CORE = (
    "planning",
    "line_matching",
    "allocation",
    "given_back",
    "refund_mode",
    "stock_policy",
    "shipping_policy",
    "amounts",
    "memo_lines",
    "memo_shipping",
    "counters",
    "rounding",
    "lines",
    "receipt",
    "marker",
    "lifecycle",
    "plan",
)
FLOW = ("execute", "reconcile", "confirm")
VERIFIERS = ("auth/hmac_sha256", "auth/standard_webhooks", "base")

#: What holds the planner against Magento as recorded, and against the oracle for some orders, counts as its tests.
_OF_CORE = (
    "tests/core",
    "tests/predictions",
    "tests/oracle/test_oracle.py::test_the_planner_and_the_oracle_agree[0]",
)

_OF_FLOW = ("tests/flow/test_refunds.py", "tests/flow/test_at_most_once.py", "tests/flow/test_forgotten.py")

#: Module → tests. Only fast ones: a fault that these miss is one that a developer would not see at once.
TARGETS: dict[str, tuple[str, ...]] = {
    **{f"service/core/{name}.py": _OF_CORE for name in CORE},
    **{f"service/flow/{name}.py": _OF_FLOW for name in FLOW},
    **{f"service/sources/{name}.py": ("tests/sources",) for name in VERIFIERS},
}


def module_name(path: str) -> str:
    return ".".join(Path(path).with_suffix("").parts)
