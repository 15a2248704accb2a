r"""What an answer to a refund call proves. The table is the rule: the first row that matches, and `unknown` by default.

`refused` and `not_sent` are claims about money, so each row rests on where Magento gives that text: before the
gateway is called. After it, Magento 2.3 to 2.4.9 turns every failure into one text, `Could not save a Creditmemo…`.
Source: recordings/gateway-decline.json, concurrent-identical-online.json, unknown-order.json, store-code-in-path.json;
Magento 2.4.6 Sales\Model\RefundInvoice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from service.core.plan import Route
from service.magento.said import Refusal, read_json, read_refusal

# No leading zero: that would be an increment id, which is another number.
_ENTITY_ID = re.compile(r"[1-9][0-9]{0,17}")


class OutcomeKind(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    #: Provably nothing was done; the same request may be sent again.
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one refund call came to; `rule` names the row that said so, `message` is for a person."""

    kind: OutcomeKind
    rule: str
    message: str
    memo_id: int | None = None
    status: int | None = None
    retry_after_seconds: float | None = None


class Body(StrEnum):
    ANY = "anything"
    MEMO_ID = "a memo id"
    REFUSAL = "Magento's own error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """`status` may hold x for any digit; `texts` are compared with the message as Magento sends it, * for any run."""

    name: str
    kind: OutcomeKind
    status: str
    body: Body = Body.ANY
    texts: tuple[str, ...] = ()
    route: Route | None = None
    because: str


RULES: tuple[Rule, ...] = (
    Rule(
        name="memo-id",
        kind=OutcomeKind.DONE,
        status="200",
        body=Body.MEMO_ID,
        because="Magento committed the memo and answered with its entity_id",
    ),
    Rule(
        name="200-without-memo-id",
        kind=OutcomeKind.UNKNOWN,
        status="200",
        because="an error page of Magento, and a page of whatever stands before it, are 200 as well",
    ),
    Rule(
        name="could-not-save-online",
        kind=OutcomeKind.UNKNOWN,
        status="400",
        body=Body.REFUSAL,
        texts=("Could not save a Creditmemo*",),
        route=Route.INVOICE,
        because="the gateway may have declined, or have paid before Magento rolled back: the text is the same",
    ),
    Rule(
        name="could-not-save-offline",
        kind=OutcomeKind.UNKNOWN,
        status="400",
        body=Body.REFUSAL,
        texts=("Could not save a Creditmemo*",),
        route=Route.ORDER,
        because="rolled back as a rule, but up to 2.4.4 a failing stock return comes after the commit",
    ),
    Rule(
        name="validators",
        kind=OutcomeKind.REFUSED,
        status="400",
        body=Body.REFUSAL,
        texts=("Creditmemo Document Validation Error(s):*",),
        because="Magento validates before it pays",
    ),
    Rule(
        name="totals",
        kind=OutcomeKind.REFUSED,
        status="400",
        body=Body.REFUSAL,
        texts=(
            'We found an invalid quantity to refund item "*".',
            "Maximum shipping amount allowed to refund is: *",
            "You can not refund shipping if there is no shipping amount.",
        ),
        because="thrown while Magento adds up the memo, before it validates",
    ),
    Rule(
        name="validator-alone",
        kind=OutcomeKind.REFUSED,
        status="400",
        body=Body.REFUSAL,
        texts=(
            "A creditmemo can not be created when an order has a status of *",
            "The order does not allow a creditmemo to be created.",
            "Order Id is required for creditmemo document",
            'The creditmemo contains product SKU "*" that is not part of the original order.',
            "The quantity to creditmemo must not be greater than the unrefunded quantity for product SKU *",
            "The credit memo's total must be positive.",
            "You can't create a creditmemo without products.",
            "The most money available to refund is *",
            "The creditmemo contains product item that is not part of the original order.",
            "The creditmemo contains incorrect product items.",
            "The quantity to refund must not be greater than the unrefunded quantity.",
            "We can't create creditmemo for the invoice.",
            'The "*" product is not part of the current creditmemo.',
            "The return to stock argument contains product item that is not part of the original order.",
        ),
        because="a validator's text without its heading: still a check that runs before the gateway is called",
    ),
    Rule(
        name="input",
        kind=OutcomeKind.REFUSED,
        status="400",
        body=Body.REFUSAL,
        texts=(
            "An ID is needed. Set the ID and try again.",
            '"*" is required. Enter and try again.',
            "One or more input exceptions have occurred.",
            '*value\'s type is invalid. The "*" type was expected.*',
            "Decoding error*",
            "Content-Type header is empty.*",
            "Server cannot understand Content-Type HTTP header media type *",
            "Maximum items of type *",
        ),
        because="Magento could not read the request, so it did not get to the order",
    ),
    Rule(
        name="no-such-store-code",
        kind=OutcomeKind.NOT_SENT,
        status="400",
        body=Body.REFUSAL,
        texts=("Specified request cannot be processed.",),
        because="Magento does not know the store code in the path: correct store_code (or base_url)",
    ),
    Rule(
        name="signature-method",
        kind=OutcomeKind.NOT_SENT,
        status="400",
        body=Body.REFUSAL,
        texts=("Signature method * is not supported",),
        because="this Magento does not take HMAC-SHA256 signatures: use another auth",
    ),
    Rule(
        name="400-of-another-text",
        kind=OutcomeKind.UNKNOWN,
        status="400",
        because="not one of the English texts we know: is the store view of store_code in English?",
    ),
    Rule(
        name="unauthorized",
        kind=OutcomeKind.NOT_SENT,
        status="401",
        body=Body.REFUSAL,
        because="Magento checks rights before it looks at the order: a wrong token or a missing right",
    ),
    Rule(
        name="no-such-document",
        kind=OutcomeKind.NOT_SENT,
        status="404",
        body=Body.REFUSAL,
        texts=("The entity that was requested doesn't exist.*", "No such entity*"),
        because="Magento has no order or invoice with this entity_id",
    ),
    Rule(
        name="no-such-route",
        kind=OutcomeKind.NOT_SENT,
        status="404",
        body=Body.REFUSAL,
        texts=("Request does not match any route.",),
        because="something at base_url is Magento, but not at this path: correct base_url",
    ),
    Rule(
        name="404-of-another-text",
        kind=OutcomeKind.UNKNOWN,
        status="404",
        because="not Magento's words for an unknown order; up to 2.4.4 a deleted product makes a 404 after the commit",
    ),
    Rule(
        name="too-many-requests",
        kind=OutcomeKind.NOT_SENT,
        status="429",
        because="turned away at the door",
    ),
    Rule(
        name="redirect",
        kind=OutcomeKind.UNKNOWN,
        status="3xx",
        because="redirects are not followed, a POST would become a GET: set base_url to where Magento answers itself",
    ),
    Rule(
        name="server-error",
        kind=OutcomeKind.UNKNOWN,
        status="5xx",
        because="Magento or what stands before it failed, before or after the refund",
    ),
    Rule(
        name="anything-else",
        kind=OutcomeKind.UNKNOWN,
        status="any",
        because="no answer that Magento gives to a refund",
    ),
)

#: What a call without an answer proves, by where it ended.
FAILURE_RULES: tuple[Rule, ...] = (
    Rule(
        name="no-connection",
        kind=OutcomeKind.NOT_SENT,
        status="none",
        because="no connection was made: name, refusal, time-out or TLS",
    ),
    Rule(
        name="no-token",
        kind=OutcomeKind.NOT_SENT,
        status="none",
        because="signing in failed, so the refund was not sent",
    ),
    Rule(
        name="too-late",
        kind=OutcomeKind.NOT_SENT,
        status="none",
        because="the reading grew too old while the call waited for its turn",
    ),
    Rule(
        name="store-paused",
        kind=OutcomeKind.NOT_SENT,
        status="none",
        because="the store is left alone: it asked for that, or failed again and again",
    ),
    Rule(
        name="answer-lost",
        kind=OutcomeKind.UNKNOWN,
        status="none",
        because="sent, and no whole answer came back: Magento goes on without us",
    ),
)


def classify(
    status: int, content_type: str, body: bytes, route: Route, *, retry_after_seconds: float | None = None
) -> Outcome:
    """What this answer proves about the refund it answers."""
    answer = _Answer.of(status=status, content_type=content_type, body=body, route=route)
    rule = next(rule for rule in RULES if answer.matches(rule))
    return Outcome(
        kind=rule.kind,
        rule=rule.name,
        message=answer.told_by(rule),
        memo_id=answer.memo_id if rule.kind is OutcomeKind.DONE else None,
        status=status,
        retry_after_seconds=retry_after_seconds,
    )


def classify_failure(name: str, detail: str, *, retry_after_seconds: float | None = None) -> Outcome:
    """The outcome of a call that ended without an answer, by the name of its row in FAILURE_RULES."""
    rule = next(rule for rule in FAILURE_RULES if rule.name == name)
    return Outcome(
        kind=rule.kind,
        rule=rule.name,
        message=f"{detail}: {rule.because}",
        retry_after_seconds=retry_after_seconds,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    status: int
    content_type: str
    route: Route
    memo_id: int | None
    refusal: Refusal | None

    @classmethod
    def of(cls, *, status: int, content_type: str, body: bytes, route: Route) -> _Answer:
        document = read_json(content_type, body)
        return cls(
            status=status,
            content_type=content_type,
            route=route,
            memo_id=_memo_id(document),
            refusal=read_refusal(document),
        )

    def matches(self, rule: Rule) -> bool:
        return (
            _is_like(self.status, rule.status)
            and rule.route in (None, self.route)
            and (rule.body is not Body.MEMO_ID or self.memo_id is not None)
            and (rule.body is not Body.REFUSAL or self.refusal is not None)
            and (not rule.texts or self._says(rule.texts))
        )

    def _says(self, texts: tuple[str, ...]) -> bool:
        return self.refusal is not None and any(fnmatchcase(self.refusal.template, text) for text in texts)

    def told_by(self, rule: Rule) -> str:
        if rule.kind is OutcomeKind.DONE:
            return f"credit memo {self.memo_id}"
        if rule.kind is OutcomeKind.REFUSED and self.refusal:
            return self.refusal.text
        said = self.refusal.text if self.refusal else f"({self.content_type or 'no content type'})"
        return f"{self.status} {said}: {rule.because}"


def _memo_id(document: Any) -> int | None:
    """A refund is answered by the memo's entity_id as a JSON string; other versions may send the number."""
    if isinstance(document, int) and not isinstance(document, bool) and document > 0:
        return document
    if isinstance(document, str) and _ENTITY_ID.fullmatch(document):
        return int(document)
    return None


def _is_like(status: int, pattern: str) -> bool:
    digits = str(status)
    return pattern == "any" or (
        len(digits) == len(pattern)
        and all(wanted in ("x", digit) for wanted, digit in zip(pattern, digits, strict=True))
    )
