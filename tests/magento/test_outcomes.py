from __future__ import annotations

import json

import pytest

from service.core.plan import Route
from service.magento.outcomes import FAILURE_RULES, RULES, OutcomeKind, classify, classify_failure

JSON = "application/json; charset=utf-8"
DONE, REFUSED, NOT_SENT, UNKNOWN = OutcomeKind


def answered(status, document, *, route=Route.ORDER, content_type=JSON):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return classify(status, content_type, body, route)


@pytest.mark.parametrize(
    ("document", "memo_id"),
    [
        pytest.param("37", 37, id="a string, as recorded"),
        pytest.param(37, 37, id="a number, as documented"),
    ],
)
def test_a_memo_id_is_done(document, memo_id):
    outcome = answered(200, document)

    assert (outcome.kind, outcome.memo_id, outcome.rule) == (DONE, memo_id, "memo-id")


@pytest.mark.parametrize(
    "document",
    [
        True,
        False,
        None,
        0,
        -1,
        37.0,
        "",
        "0",
        "-1",
        "037",
        "37 ",
        "３７",
        "9" * 5000,
        [37],
        {"entity_id": 37},
        b"",
        b"37x",
    ],
)
def test_a_200_without_a_memo_id_proves_nothing(document):
    outcome = answered(200, document)

    assert (outcome.kind, outcome.memo_id) == (UNKNOWN, None)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=UTF-8", b"37"),
        ("application/xml; charset=utf-8", b'<?xml version="1.0"?>\n<response>576</response>\n'),
        ("", b'"37"'),
    ],
)
def test_a_200_that_is_not_json_proves_nothing(content_type, body):
    assert answered(200, body, content_type=content_type).kind is UNKNOWN


HEADING = "Creditmemo Document Validation Error(s):\n"

REFUSALS = [
    {"message": HEADING + "The creditmemo contains incorrect product items."},
    {"message": HEADING + "Ein Text, den der Store View übersetzt hat."},
    {"message": 'We found an invalid quantity to refund item "%1".', "parameters": ["Radiant Tee-M-Orange"]},
    {"message": "Maximum shipping amount allowed to refund is: %1", "parameters": ["$7.00"]},
    {"message": "You can not refund shipping if there is no shipping amount."},
    {"message": "A creditmemo can not be created when an order has a status of closed"},
    {"message": "The order does not allow a creditmemo to be created."},
    {"message": "Order Id is required for creditmemo document"},
    {
        "message": 'The creditmemo contains product SKU "%1" that is not part of the original order.',
        "parameters": ["A"],
    },
    {"message": 'The quantity to creditmemo must not be greater than the unrefunded quantity for product SKU "A".'},
    {"message": "The credit memo's total must be positive."},
    {"message": "You can't create a creditmemo without products."},
    {"message": "The most money available to refund is 54."},
    {"message": "The creditmemo contains product item that is not part of the original order."},
    {"message": "The creditmemo contains incorrect product items."},
    {"message": "The quantity to refund must not be greater than the unrefunded quantity."},
    {"message": "We can't create creditmemo for the invoice."},
    {"message": 'The "24-WG081-blue" product is not part of the current creditmemo.'},
    {"message": "The return to stock argument contains product item that is not part of the original order."},
    {"message": "An ID is needed. Set the ID and try again."},
    {"message": '"%fieldName" is required. Enter and try again.', "parameters": {"fieldName": "qty"}},
    {"message": "One or more input exceptions have occurred.", "errors": [{"message": "%1", "parameters": ["a"]}]},
    {"message": 'The "abc" value\'s type is invalid. The "int" type was expected. Verify and try again.'},
    {
        "message": 'Error occurred during "%fieldName" processing. The "%value" value\'s type is invalid. '
        'The "%type" type was expected. Verify and try again.',
        "parameters": {"fieldName": "qty", "value": "x", "type": "float"},
    },
    {"message": "Decoding error."},
    {"message": "Content-Type header is empty."},
    {"message": "Server cannot understand Content-Type HTTP header media type text/plain"},
    {"message": 'Maximum items of type "%type" is %max', "parameters": {"type": "item", "max": 20}},
]


@pytest.mark.parametrize("document", REFUSALS, ids=lambda document: document["message"][:60])
@pytest.mark.parametrize("route", Route)
def test_what_magento_says_before_it_pays_is_refused(document, route):
    assert answered(400, document, route=route).kind is REFUSED


@pytest.mark.parametrize("route", Route)
def test_could_not_save_is_unknown_whatever_the_route(route):
    outcome = answered(400, {"message": "Could not save a Creditmemo, see error log for details"}, route=route)

    assert outcome.kind is UNKNOWN


def test_only_online_does_could_not_save_speak_of_the_gateway():
    document = {"message": "Could not save a Creditmemo, see error log for details"}

    assert answered(400, document, route=Route.INVOICE).rule == "could-not-save-online"
    assert answered(400, document, route=Route.ORDER).rule == "could-not-save-offline"


@pytest.mark.parametrize(
    ("status", "document", "rule"),
    [
        (
            401,
            {
                "message": "The consumer isn't authorized to access %resources.",
                "parameters": {"resources": "Magento_Sales::creditmemo"},
            },
            "unauthorized",
        ),
        (401, {"message": "The signature is invalid. Verify and try again."}, "unauthorized"),
        (401, {"message": "Der Verbraucher ist nicht berechtigt."}, "unauthorized"),
        (404, {"message": "The entity that was requested doesn't exist. Verify the entity and try again."}, None),
        (404, {"message": "No such entity with %fieldName = %fieldValue", "parameters": {"fieldName": "id"}}, None),
        (404, {"message": "Request does not match any route."}, "no-such-route"),
        (400, {"message": "Specified request cannot be processed."}, "no-such-store-code"),
        (400, {"message": "Signature method %1 is not supported", "parameters": ["HMAC-SHA256"]}, "signature-method"),
        (429, {"message": "Too Many Requests"}, "too-many-requests"),
        (429, b"<html>slow down</html>", "too-many-requests"),
    ],
)
def test_what_magento_says_before_it_looks_at_the_order_is_not_sent(status, document, rule):
    outcome = answered(status, document)

    assert (outcome.kind, outcome.rule) == (NOT_SENT, rule or "no-such-document")


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (201, JSON, b'"37"'),
        (202, JSON, b'{"bulk_uuid": "a", "request_items": [], "errors": false}'),
        (204, "", b""),
        (301, "text/html", b""),
        (302, "text/html", b""),
        (307, JSON, b'{"message": "moved"}'),
        (400, "text/html", b"<html>Bad Request</html>"),
        (400, JSON, b'{"message": "Der Text eines deutschen Store Views."}'),
        (400, JSON, b'{"message": "Decoding error.", "request_id": "of a proxy"}'),
        (401, "text/html", b"<html>401 Authorization Required</html>"),
        (401, JSON, b'{"error": "invalid_token"}'),
        (403, JSON, b'{"message": "Forbidden"}'),
        (404, "text/html", b"<html>Not Found</html>"),
        (404, JSON, b'{"message": "The product that was requested doesn\'t exist. Verify the product and try again."}'),
        (408, JSON, b'{"message": "time-out"}'),
        (500, JSON, b'{"message": "Internal Error. Details are available in Magento log file."}'),
        (500, JSON, b'{"message": "Creditmemo Document Validation Error(s):\\nNo."}'),
        (502, "text/html", b"bad gateway"),
        (503, "text/html", b"maintenance"),
        (504, "text/html", b"time-out"),
        (520, "text/html", b"a CDN"),
        (99, "", b""),
    ],
)
@pytest.mark.parametrize("route", Route)
def test_everything_else_is_unknown(status, content_type, body, route):
    assert answered(status, body, content_type=content_type, route=route).kind is UNKNOWN


def test_a_refusal_is_told_in_one_line_with_its_placeholders_filled():
    validators = answered(400, {"message": HEADING + "An order of status closed\nThe total must be positive."})
    quantity = answered(
        400, {"message": 'We found an invalid quantity to refund item "%1".', "parameters": ["Tee 100%2"]}
    )

    assert validators.message == (
        "Creditmemo Document Validation Error(s): An order of status closed; The total must be positive."
    )
    assert quantity.message == 'We found an invalid quantity to refund item "Tee 100%2".'


def test_a_400_in_another_language_asks_for_an_english_store_view():
    outcome = answered(400, {"message": "Diese Bestellung kann nicht erstattet werden."})

    assert "Diese Bestellung kann nicht erstattet werden." in outcome.message
    assert "English" in outcome.message


def test_the_body_of_a_page_is_not_repeated():
    outcome = answered(502, b"<html>secret</html>", content_type="text/html")

    assert "secret" not in outcome.message


def test_json_nested_too_deeply_to_read_is_unknown():
    assert answered(200, b"[" * 100_000).kind is UNKNOWN


@pytest.mark.parametrize("rule", FAILURE_RULES, ids=lambda rule: rule.name)
def test_a_call_without_an_answer_has_a_row_too(rule):
    outcome = classify_failure(rule.name, "Connection refused")

    assert (outcome.kind, outcome.rule, outcome.memo_id) == (rule.kind, rule.name, None)
    assert outcome.message.startswith("Connection refused: ")


def test_every_row_has_its_own_name_and_the_last_one_takes_whatever_is_left():
    names = [rule.name for rule in (*RULES, *FAILURE_RULES)]

    assert len(names) == len(set(names))
    assert RULES[-1].status == "any"
    assert RULES[-1].kind is UNKNOWN
