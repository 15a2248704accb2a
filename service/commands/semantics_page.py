"""docs/semantics.md: what is done about what an event says, printed from the tables that do it."""

from __future__ import annotations

from collections.abc import Iterator

from service.commands.markdown import PRINTED, markdown_table
from service.core.discrepancies import DISCREPANCIES
from service.core.folding import DOUBTS
from service.core.portal_amounts import AMOUNT_RULES
from service.core.resolution import CREDIT_IGNORED, RESOLUTION_RULES, Outcome, ResolutionRule
from service.core.stock_policy import STOCK_RULES, StockRule

_OUTCOMES = {
    Outcome.REFUND: "refunded",
    Outcome.NOTHING: "nothing is sent; the event is kept",
    Outcome.PERSON: "**a person decides**",
}
_EITHER = "either"


def semantics_reference() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from ("# What is done about what an event says", "", PRINTED, "")
    yield from _TEXT["introduction"]
    yield from ("## Several events of a return", "", *_TEXT["events"])
    yield from markdown_table(("question", "a person is told"), [(f"`{code}`", text) for code, text in DOUBTS.items()])
    yield from ("## Three layers against doing it twice", "", *_TEXT["layers"])
    yield from ("## Several orders in one return", "", *_TEXT["orders"])
    yield from ("## What the customer gets", "", *_TEXT["resolution"])
    rules = [*RESOLUTION_RULES, CREDIT_IGNORED]
    yield from markdown_table(("rule", "words", "then", "because"), map(_resolution_row, rules))
    yield from ("## What was wrong with what came back", "", *_TEXT["discrepancies"])
    rows = [(f"`{each.word}`", each.means, "**asked**" if each.asks else "told") for each in DISCREPANCIES]
    yield from markdown_table(("word", "means", "a person is"), rows)
    yield from ("## Whose figure counts", "", *_TEXT["amounts"])
    amounts = [(f"`{r.name}`", ", ".join(f"`{p}`" for p in r.policies), r.when, r.then) for r in AMOUNT_RULES]
    yield from markdown_table(("rule", "`amounts`", "when", "then"), amounts)
    yield from _TEXT["amounts_more"]
    yield from ("## Who puts goods back", "", *_TEXT["stock"])
    heads = ("`stock_owner`", "sellable", "Magento has shipped it", "in the refund it is", "because")
    yield from markdown_table(heads, map(_stock_row, STOCK_RULES))


def _resolution_row(rule: ResolutionRule) -> tuple[str, ...]:
    words = ", ".join(f"`{word}`" if word else "nothing said" for word in rule.words) or "any other"
    return f"`{rule.name}`", words, _OUTCOMES[rule.outcome], rule.because


def _stock_row(rule: StockRule) -> tuple[str, ...]:
    said = {None: _EITHER, True: "yes", False: "no"}
    return f"`{rule.owner}`", said[rule.sellable], said[rule.shipped], f"**{rule.then}**", rule.because


_TEXT = {
    name: (*text.strip().splitlines(), "")
    for name, text in {
        "introduction": """
The fields are in [canonical-event.md](canonical-event.md), the settings in [settings.md](settings.md). Nothing here
is silent: every decision is a line of the plan, with its reason (`refundry plan`, `refundry show`). A question holds
the whole return ([0004](decisions/0004-questions-hold-the-whole-return.md)).
""",
        "events": """
*Cumulative* (the default): an event says all that was approved so far, and the newest one counts, by `occurred_at`
and then by arrival. A time more than two hours ahead of its arrival is a mistake, and the arrival counts instead.
*Delta*: an event says what a receipt added; every receipt of the return counts once, by its id, whichever event told
it and in whatever order they came. Either way an event that comes twice or late moves nothing twice:

| # | event | received so far | given back before | then |
|---|---|---|---|---|
| 1 | authorised, 2 units | 0 | 0 | ignored |
| 2 | received | 1 | 0 | 1 unit is refunded |
| 3 | #2 again | 1 | 1 | nothing is left |
| 4 | received | 2 | 1 | 1 unit is refunded |
| 5 | #2 once more, late | 1 | 2 | older than what is known: nothing |
| 6 | completed, 1 accepted | 2 | 2 | `over-refunded`: a person decides |
| 7 | another return of the same line, when none is left | 1 | 2 | `more-than-left`: a person decides |

Sources that share a namespace speak of the same returns, and must count alike.

An event whose type is in `withdraw_on` takes back all that was approved: nothing more is refunded, whatever waited.
What a sender takes back after it was refunded (`over-refunded`) no call can undo, so it is asked about; and so is
what events of one return say against each other:
""",
        "layers": """
1. *The delivery*, by its id (`webhook-id`, or what the source's scheme gives), or by its bytes. The same id with
   other bytes is kept and raised (`delivery-clash`).
2. *What it says*, by the event's id. The same id with another content is kept and raised (`event-clash`). An event
   without an id has one made of what it says: without its time and the words of its reasons, so that an update of the
   parcel's tracking is no news. Said again after something else in between, with a later time, it counts again.
3. *What was given back*, by the order's credit memos and their markers. This one alone holds back money: the plan is
   the difference between what was approved and what the memos say.
""",
        "orders": """
Lines may name another order than the event's. Each order is planned, refunded and shown by itself, in turn, under the
one delivery. `totals.refund` is then no order's figure and not used. Fees are asked about, or (`shared_fees =
"largest"`) taken off the order with the largest refund, by the figures of its lines; without a figure for every line
they are asked about all the same.
""",
        "resolution": """
By a line's `resolution` and `refund_destination`. Each word is looked up; the one that is not a plain refund decides.
An unknown word is a person's, for it means something to the sender. `credit_ignored` is in place of `credit` where
the source has `store_credit = "ignore"`. A line with `keep_item` is refunded without a receipt and never restocked.
""",
        "discrepancies": """
From the event's `discrepancies`. `over_receipt` is also found in the numbers, where more came than `qty_authorized`.
A word that is not here is asked about. A return without any order is `blind-return` and goes to a person unread by
Magento.
""",
        "amounts": """
Under `amounts = "compute"` the sender's figures are not even read. Otherwise the figure is `totals.refund` where it
is given (shipping included, fees taken off), else the sum of the lines' `refund_amount` (before fees, without
shipping, which then go by our own rules). It is cumulative for the return, as the quantities are.
""",
        "amounts_more": """
What differs is one adjustment on the largest call, which Magento does not tax. Asked about: a figure that leaves
nothing to give (`portal-leaves-nothing`), a deduction not smaller than the largest call (`deduction-does-not-fit`),
figures for some lines only (`amounts-incomplete`), without a currency (`amounts-without-currency`), or where there is
tax and nobody says whether it is in them (`amounts-tax-unknown`); a figure that changed after everything was given
back (`over-refunded`, `portal-raised`). Never sent, whatever the figure: a call of zero or less, more than was paid,
more than an invoice holds.

A return that the sender has paid itself (`already_refunded`) is recorded and nothing is sent, also where the event's
type is not in `refund_on`. Where we have paid besides, a person is told of both (`refunded-twice`).
""",
        "stock": """
`return_to_stock_items` names order items and has no quantities, so units that differ become two calls. First match
decides. Units that Magento has not shipped are the trap: not named, Magento takes them off a shelf that they never
left.
""",
    }.items()
}
