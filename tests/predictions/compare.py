"""Predicted against recorded, amount by amount, to four places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path

from service.core.amounts import Prediction, predict
from service.core.orders import MemoAmounts
from tests.predictions.recorded import RecordedCall, read_calls
from tests.recordings import recording_files

FOUR_PLACES = Decimal("0.0001")
TAX_LIMITED_BY_INVOICE_SINCE = (2, 4, 3)


@dataclass(frozen=True, kw_only=True)
class Compared:
    call: RecordedCall
    predicted: Prediction | None = None
    #: "base.tax: 1.82, predicted 1.81", one per amount that differs.
    differences: tuple[str, ...] = ()


def compare_directory(directory: Path) -> Iterator[Compared]:
    """Every refund call of every recording below `directory`."""
    for file in recording_files(directory):
        yield from map(compare, read_calls(file))


def compare(call: RecordedCall) -> Compared:
    if call.excepted is not None:
        return Compared(call=call)
    before = call.before
    try:
        predicted = predict(
            before.order,
            before.invoices,
            before.memos,
            call.ask,
            tax_limited_by_invoice=_version(call.version) >= TAX_LIMITED_BY_INVOICE_SINCE,
        )
    except ValueError as refused:
        return Compared(call=call, differences=(f"predicted a refusal: {refused}",))
    return Compared(
        call=call,
        predicted=predicted,
        differences=(
            *_differences("base", call.memo.base, predicted.base),
            *_differences("shown", call.memo.shown, predicted.shown),
        ),
    )


def _differences(currency: str, recorded: MemoAmounts, predicted: MemoAmounts) -> Iterator[str]:
    for field in fields(MemoAmounts):
        said, ours = (getattr(amounts, field.name).quantize(FOUR_PLACES) for amounts in (recorded, predicted))
        if said != ours:
            yield f"{currency}.{field.name}: {said}, predicted {ours}"


def _version(text: str) -> tuple[int, ...]:
    """2.4.6-p4 → (2, 4, 6)."""
    return tuple(int(part) for part in text.partition("-")[0].split("."))
