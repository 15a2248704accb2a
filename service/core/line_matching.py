"""Returned SKU or line id → the order item that Magento refunds, and how many units of it are still to be given back.

Three steps: *resolve* what the sender named into candidates, *subtract* what this return has had, *fill* the candidates
that have units left. One SKU can be a simple line, a configurable line, its hidden child and a kit's part of one order,
counted apart: lines that share a SKU are interchangeable only at the same price, discount and tax per unit. What cannot
be decided becomes a question that names the candidates.
Source: recordings/same-sku-*.json, configurable-*.json, bundle-*.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from service.core.given_back import GivenBack, units_left
from service.core.lines import LineKind, is_dummy, kind_of, parent_of, refund_target, restock_targets, units_per_parent
from service.core.orders import Order, OrderLine, Reading
from service.core.plan import Note, Question, RefundRequest
from service.core.policy import SourcePolicy
from service.core.returns import ReturnedPart, ReturnEvent, ReturnLine
from service.core.stock_policy import (
    is_restocked,
    names_unshipped,
    note_stock,
    question_unshipped,
    unshipped_units,
)
from service.core.wording import money, units

ZERO = Decimal(0)

# Per-unit tax of two equal lines can differ by the rounding of a row; less than a cent is the same price to a person.
_SAME_PRICE = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outstanding:
    """Units of one order item still to be given back; `restock` are the ids that say so to Magento, empty for none."""

    line: OrderLine
    quantity: Decimal
    restock: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    outstanding: tuple[Outstanding, ...]
    #: Every order item the return speaks of, outstanding or not.
    touched: tuple[int, ...]
    notes: tuple[Note, ...]
    questions: tuple[Question, ...]
    #: Reasons why Magento is not ready: units that are ordered, but not invoiced yet.
    waits: tuple[Note, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claim:
    """Some returned units and the lines they may be units of."""

    named: str
    candidates: tuple[OrderLine, ...]
    parts: tuple[ReturnedPart, ...]


@dataclass(kw_only=True, slots=True)
class _Findings:
    """What has been found so far; filled by the steps below, in reading order."""

    reading: Reading
    policy: SourcePolicy
    given_restocked: dict[int, Decimal]
    given_not_restocked: dict[int, Decimal]
    left: dict[int, Decimal] = field(default_factory=dict)
    outstanding: list[Outstanding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    waits: list[Note] = field(default_factory=list)

    @property
    def order(self) -> Order:
        return self.reading.order

    def ask(self, code: str, subject: str, text: str, candidates: Iterable[OrderLine] = ()) -> None:
        named = tuple(describe(self.order, line) for line in candidates)
        self.questions.append(Question(code=code, subject=subject, text=text, candidates=named))

    def note(self, rule: str, subject: str, text: str) -> None:
        self.notes.append(Note(rule=rule, subject=subject, text=text))


def match_lines(
    event: ReturnEvent,
    reading: Reading,
    given: GivenBack,
    unsettled: Sequence[RefundRequest],
    *,
    policy: SourcePolicy,
) -> Matching:
    """What of `event` is still to be given back, line by line. The order of its lines changes nothing."""
    found = _Findings(
        reading=reading,
        policy=policy,
        given_restocked=dict(given.restocked),
        given_not_restocked=dict(given.not_restocked),
        left={line.item_id: units_left(line, reading, unsettled) for line in reading.order.lines},
    )
    claims = [claim for line in event.lines for claim in _resolve(line, found)]
    kit_parts = [claim for claim in claims if _is_kit_part(found.order, claim)]
    others = [claim for claim in claims if not _is_kit_part(found.order, claim)]
    for claim in _merged(others):
        _fill(claim, found)
    _fill_fixed_kits(kit_parts, found)
    _judge_excess(found, given)
    _question_stock(found)
    return Matching(
        outstanding=_merged_outstanding(found.outstanding),
        touched=tuple(sorted({line.item_id for claim in claims for line in claim.candidates})),
        notes=tuple(dict.fromkeys(found.notes)),
        questions=tuple(dict.fromkeys(found.questions)),
        waits=tuple(dict.fromkeys(found.waits)),
    )


def describe(order: Order, line: OrderLine) -> str:
    """An order item as a person knows it: "item 510: 1 × WS12-M-Orange at 22.00 (simple)"."""
    parent = parent_of(order, line)
    within = f", part of item {parent.item_id} {parent.sku}" if parent else ""
    what = f"{units(line.qty_ordered)} × {line.sku} at {money(line.base.price)}"
    return f"item {line.item_id}: {what} ({line.product_type}{within})"


# --- resolve: what the sender named → candidates --------------------------------------------------------------------


def _resolve(line: ReturnLine, found: _Findings) -> list[_Claim]:
    if line.order_item_id is not None:
        return _resolve_id(line, line.order_item_id, found)
    if line.sku is not None:
        return _resolve_sku(line, line.sku, found)
    found.ask(
        "line-id-unknown",
        line.named,
        f"the sender names {line.named} by its own id, which no setting translates; have it send order_item_id or sku",
        found.order.lines,
    )
    return []


def _resolve_id(line: ReturnLine, item_id: int, found: _Findings) -> list[_Claim]:
    target = found.order.line(item_id)
    if target is None:
        found.ask(
            "item-not-on-order",
            line.named,
            f"order {found.order.increment_id} has no item {item_id}; have the sender correct order_item_id",
            _visible(found.order),
        )
        return []
    if line.sku is not None and not _same_sku(line.sku, target):
        found.ask(
            "item-and-sku-disagree",
            line.named,
            f"item {item_id} is '{target.sku}', but the sender calls it '{line.sku}'; have it send one of the two",
            [target],
        )
        return []
    return _claims_on((target,), line, found)


def _resolve_sku(line: ReturnLine, sku: str, found: _Findings) -> list[_Claim]:
    order = found.order
    visible = _visible(order)
    exact = tuple(candidate for candidate in visible if candidate.sku == sku)
    if exact:
        return _claims_on(exact, line, found)
    kits = tuple(candidate for candidate in visible if _is_kit_called(order, candidate, sku))
    if kits:
        return _claims_on(kits, line, found)
    optioned = tuple(
        candidate for candidate in visible if candidate.has_custom_options and candidate.sku.startswith(sku + "-")
    )
    if optioned:
        for candidate in optioned:
            found.note("line.custom_options", line.named, f"matched '{candidate.sku}': its options extend the SKU")
        return _claims_on(optioned, line, found)
    found.ask(
        "sku-not-on-order",
        sku,
        f"order {order.increment_id} has no item with SKU '{sku}'; correct the SKU at the sender, or refund by hand",
        visible,
    )
    return []


def _claims_on(candidates: tuple[OrderLine, ...], line: ReturnLine, found: _Findings) -> list[_Claim]:
    """Candidates as the lines that Magento takes: a variant's parent, a dynamic kit's parts."""
    order = found.order
    targets: dict[int, OrderLine] = {}
    for candidate in candidates:
        if candidate.product_type == "giftcard":
            found.ask(
                "gift-card",
                line.named,
                f"'{candidate.sku}' is a gift card: refunding it does not cancel its code. Refund by hand",
                [candidate],
            )
            return []
        target = refund_target(order, candidate) or candidate
        targets[target.item_id] = target
    kits = [target for target in targets.values() if kind_of(order, target) is LineKind.DYNAMIC_BUNDLE]
    parts = [target for target in targets.values() if kind_of(order, target) is LineKind.FIXED_BUNDLE_CHILD]
    if len(targets) > 1 and (kits or parts):
        found.ask(
            "kit-ambiguous",
            line.named,
            f"'{line.named}' may be a kit, a part of one or neither; have the sender name the order_item_id",
            targets.values(),
        )
        return []
    if not kits:
        return [_Claim(named=line.named, candidates=tuple(targets.values()), parts=line.parts)]
    return [
        _Claim(named=f"{line.named} › {child.sku}", candidates=(child,), parts=_times(line.parts, order, child))
        for child in order.children_of(kits[0])
    ]


def _times(parts: tuple[ReturnedPart, ...], order: Order, child: OrderLine) -> tuple[ReturnedPart, ...]:
    each = units_per_parent(order, child)
    return tuple(ReturnedPart(quantity=part.quantity * each, disposition=part.disposition) for part in parts)


def _visible(order: Order) -> tuple[OrderLine, ...]:
    """Lines that a person can tell apart: a configurable's hidden child repeats its parent's SKU and is left out."""
    return tuple(line for line in order.lines if kind_of(order, line) is not LineKind.CONFIGURABLE_CHILD)


def _is_kit_called(order: Order, line: OrderLine, sku: str) -> bool:
    """Whether a dynamic kit's composed SKU is this SKU with its parts' behind it, as Magento composes it."""
    if kind_of(order, line) is not LineKind.DYNAMIC_BUNDLE:
        return False
    return line.sku == "-".join((sku, *(child.sku for child in order.children_of(line))))


def _same_sku(said: str, line: OrderLine) -> bool:
    return line.sku == said or line.sku.startswith(said + "-")


# --- subtract and fill: candidates → units still to be given back ---------------------------------------------------


def _merged(claims: list[_Claim]) -> list[_Claim]:
    """Claims on the same candidates as one, those with the fewest candidates first: ids before SKUs."""
    by_lines: dict[tuple[int, ...], _Claim] = {}
    for claim in claims:
        key = tuple(sorted(line.item_id for line in claim.candidates))
        before = by_lines.get(key)
        parts = (before.parts if before else ()) + claim.parts
        by_lines[key] = _Claim(named=before.named if before else claim.named, candidates=claim.candidates, parts=parts)
    return [by_lines[key] for key in sorted(by_lines, key=lambda key: (len(key), key))]


def _fill(claim: _Claim, found: _Findings) -> None:
    restock, discard = _still_to_give(claim, found)
    wanted = restock + discard
    if wanted <= 0:
        return
    lines = tuple(sorted(claim.candidates, key=lambda line: line.item_id))
    if not _quantity_fits(claim, wanted, lines, found):
        return
    open_lines = [line for line in lines if found.left[line.item_id] > 0]
    left = sum((found.left[line.item_id] for line in open_lines), ZERO)
    if wanted < left and not _interchangeable(open_lines):
        found.ask(
            "same-sku-different-price",
            claim.named,
            f"{units(wanted)} of '{claim.named}' came back, and the order holds it at different prices; "
            "have the sender name the order_item_id, or refund by hand",
            open_lines,
        )
        return
    for line in open_lines:
        never_left = _never_left(line, discard, found)
        restock, discard = restock + never_left, discard - never_left
        for goes_to_stock in (True, False):
            taken = min(restock if goes_to_stock else discard, found.left[line.item_id])
            if taken <= 0:
                continue
            found.left[line.item_id] -= taken
            restock, discard = (restock - taken, discard) if goes_to_stock else (restock, discard - taken)
            ids = tuple(target.item_id for target in restock_targets(found.order, line)) if goes_to_stock else ()
            found.outstanding.append(Outstanding(line=line, quantity=taken, restock=ids))
            found.note("line.matched", claim.named, f"{units(taken)} × {describe(found.order, line)}")


def _never_left(line: OrderLine, discard: Decimal, found: _Findings) -> Decimal:
    """Of the units that are not for sale, those to be named because Magento has not shipped them; see STOCK_RULES."""
    if not names_unshipped(found.policy):
        return ZERO
    refunded = max(line.qty_invoiced - found.left[line.item_id], ZERO)
    return min(discard, found.left[line.item_id], unshipped_units(found.order, line, refunded))


def _still_to_give(claim: _Claim, found: _Findings) -> tuple[Decimal, Decimal]:
    """(to restock, not to restock): what was approved less what this return has had of these lines."""
    policy = found.policy
    for part in claim.parts:
        if part.quantity > 0:
            found.notes.append(note_stock(claim.named, part.disposition, policy))
    restock = sum((part.quantity for part in claim.parts if is_restocked(part.disposition, policy)), ZERO)
    approved = sum((part.quantity for part in claim.parts), ZERO)
    had_restocked = _take_given(found.given_restocked, claim.candidates, approved)
    had_discarded = _take_given(found.given_not_restocked, claim.candidates, approved - had_restocked)
    had = had_restocked + had_discarded
    if had > 0:
        found.note("given.before", claim.named, f"{units(had)} of {units(approved)} were given back before")
    rest = approved - had
    discard = min(max(approved - restock - had_discarded, ZERO), rest)
    return rest - discard, discard


def _take_given(pool: dict[int, Decimal], lines: Sequence[OrderLine], at_most: Decimal) -> Decimal:
    """Take units from what was given on these lines, so that no two claims count the same unit."""
    taken = ZERO
    for line in lines:
        part = min(pool.get(line.item_id, ZERO), at_most - taken)
        if part > 0:
            pool[line.item_id] -= part
            taken += part
    return taken


def _quantity_fits(claim: _Claim, wanted: Decimal, lines: Sequence[OrderLine], found: _Findings) -> bool:
    if wanted != wanted.to_integral_value() and not all(line.is_qty_decimal for line in lines):
        found.ask(
            "fraction-of-a-unit",
            claim.named,
            f"{units(wanted)} of '{claim.named}' came back, but it is sold in whole units; correct the quantity",
            lines,
        )
        return False
    left = sum((found.left[line.item_id] for line in lines), ZERO)
    if wanted <= left:
        return True
    not_invoiced = sum((max(line.qty_ordered - line.qty_canceled - line.qty_invoiced, ZERO) for line in lines), ZERO)
    text = f"{units(wanted)} of '{claim.named}' are to be given back, but only {units(left)} are left"
    if wanted - left <= not_invoiced:
        found.waits.append(
            Note(
                rule="wait.not_invoiced",
                subject=claim.named,
                text=f"{text}; {units(not_invoiced)} more are ordered and not invoiced yet",
            )
        )
    else:
        found.ask(
            "more-than-left", claim.named, f"{text} (invoiced less all credit memos); see who refunded them", lines
        )
    return False


def _interchangeable(lines: Sequence[OrderLine]) -> bool:
    """True where it makes no difference to the customer which of these lines a unit is taken from."""

    def worth(line: OrderLine) -> tuple[Decimal, Decimal, Decimal]:
        units = line.qty_invoiced or Decimal(1)
        return (
            line.base.row_invoiced / units,
            line.base.discount_invoiced / units,
            line.base.tax_invoiced / units,
        )

    worths = [worth(line) for line in lines]
    return all(
        abs(ours - first) < _SAME_PRICE for each in worths[1:] for ours, first in zip(each, worths[0], strict=True)
    )


# --- kits with a fixed price: refunded by the parent, restocked by the parts ----------------------------------------


def _is_kit_part(order: Order, claim: _Claim) -> bool:
    return len(claim.candidates) == 1 and kind_of(order, claim.candidates[0]) is LineKind.FIXED_BUNDLE_CHILD


def _fill_fixed_kits(claims: list[_Claim], found: _Findings) -> None:
    """Parts of fixed-price kits, which Magento refunds by the whole kit only: so many complete kits, or a question."""
    by_kit: dict[int, list[_Claim]] = {}
    for claim in _merged(claims):
        by_kit.setdefault(claim.candidates[0].parent_item_id or 0, []).append(claim)
    for kit_id, parts in by_kit.items():
        kit = found.order.line(kit_id)
        if kit is not None:
            _fill_fixed_kit(kit, parts, found)


def _fill_fixed_kit(kit: OrderLine, claims: list[_Claim], found: _Findings) -> None:
    order = found.order
    came_back = {claim.candidates[0].item_id: claim for claim in claims}
    kits = {
        _quantity(came_back[child.item_id]) / units_per_parent(order, child) if child.item_id in came_back else ZERO
        for child in order.children_of(kit)
    }
    if len(kits) != 1 or (complete := kits.pop()) != complete.to_integral_value():
        found.ask(
            "part-of-a-fixed-kit",
            kit.sku,
            f"only some parts of kit '{kit.sku}' came back; Magento refunds it whole or not at all. Refund by hand",
            (kit, *order.children_of(kit)),
        )
        return
    had = _take_given(found.given_restocked, (kit,), complete)
    had += _take_given(found.given_not_restocked, (kit,), complete - had)
    wanted = complete - had
    whole = _Claim(named=kit.sku, candidates=(kit,), parts=())
    if wanted <= 0 or not _quantity_fits(whole, wanted, (kit,), found):
        return
    restock: list[int] = []
    for claim in claims:
        back = {is_restocked(part.disposition, found.policy) for part in claim.parts}
        if len(back) > 1:
            found.ask(
                "kit-part-mixed",
                claim.named,
                f"some of '{claim.named}' can be sold and some cannot; a kit's part goes back whole. Refund by hand",
                [claim.candidates[0]],
            )
            return
        if back == {True}:
            restock.append(claim.candidates[0].item_id)
        found.notes += [note_stock(claim.named, part.disposition, found.policy) for part in claim.parts]
    found.left[kit.item_id] -= wanted
    found.outstanding.append(Outstanding(line=kit, quantity=wanted, restock=tuple(sorted(restock))))
    found.note("line.matched", kit.sku, f"{units(wanted)} × {describe(order, kit)}")


def _quantity(claim: _Claim) -> Decimal:
    return sum((part.quantity for part in claim.parts), ZERO)


# --- afterwards -----------------------------------------------------------------------------------------------------


def _judge_excess(found: _Findings, given: GivenBack) -> None:
    """What was given back and is not approved any more: no call can undo it, so that a person must.

    Units of a memo that a person said is this return's are a note: that person has seen them.
    """
    for line in found.order.lines:
        excess = found.given_restocked.get(line.item_id, ZERO) + found.given_not_restocked.get(line.item_id, ZERO)
        if excess <= 0 or is_dummy(found.order, line):
            continue
        text = f"{units(excess)} of '{line.sku}' more than is approved now were given back"
        if excess > given.named_by_person.get(line.item_id, ZERO):
            found.ask("over-refunded", line.sku, f"{text}; settle it with the customer, or have the sender correct it")
        else:
            found.note("given.more", line.sku, text)


def _question_stock(found: _Findings) -> None:
    for item in found.outstanding:
        refunded = item.line.qty_invoiced - found.left[item.line.item_id] - item.quantity
        discarded = item.quantity if not item.restock else ZERO
        question = question_unshipped(found.order, item.line, discarded=discarded, refunded=max(refunded, ZERO))
        if question is not None:
            found.questions.append(question)


def _merged_outstanding(items: list[Outstanding]) -> tuple[Outstanding, ...]:
    """One entry per order item and stock decision, by item id: the same return gives the same bytes."""
    units: dict[tuple[int, tuple[int, ...]], Decimal] = {}
    lines = {item.line.item_id: item.line for item in items}
    for item in items:
        key = (item.line.item_id, item.restock)
        units[key] = units.get(key, ZERO) + item.quantity
    return tuple(
        Outstanding(line=lines[item_id], quantity=units[item_id, restock], restock=restock)
        for item_id, restock in sorted(units, key=lambda key: (key[0], not key[1]))
    )
