"""Every refund answer that a real Magento was recorded giving, through the table."""

from __future__ import annotations

import json
import re

import pytest

from service.core.plan import Route
from service.magento.outcomes import OutcomeKind, classify
from tests.recordings import FOLDER, WITHOUT, recording_files

REFUND = re.compile(r"/V1/(order|invoice)/[^/?]+/refund/?$")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=WITHOUT)

ONLY_UNKNOWN_400 = "Could not save a Creditmemo"


def refunds_answered(path):
    for exchange in json.loads(path.read_text())["exchanges"]:
        route = REFUND.search(exchange["request"]["path"])
        if exchange["request"]["method"] == "POST" and route and exchange["response"] and "/async/" not in route.string:
            yield Route(route[1]), exchange["response"]


@pytest.mark.parametrize("path", recording_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recorded_answers_are_classified_as_the_recording_proves(path):
    for route, response in refunds_answered(path):
        is_json = response["content_type"].startswith("application/json")
        body = json.dumps(response["body"]) if is_json else response["body"]

        outcome = classify(response["status"], response["content_type"], body.encode(), route)

        assert outcome.kind in expected(response, is_json=is_json), (outcome, response)
        if outcome.kind is OutcomeKind.DONE:
            assert str(outcome.memo_id) == response["body"]


def expected(response, *, is_json):
    status = response["status"]
    if status == 200:
        return {OutcomeKind.DONE if is_json else OutcomeKind.UNKNOWN}
    if status >= 500 or response["body"]["message"].startswith(ONLY_UNKNOWN_400):
        return {OutcomeKind.UNKNOWN}
    return {OutcomeKind.NOT_SENT} if status in (401, 404) else {OutcomeKind.REFUSED, OutcomeKind.NOT_SENT}
