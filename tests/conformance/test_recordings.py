"""The sandbox against the recordings of a real Magento, and the comparison against spoilt recordings."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.__main__ import BARS, DEFAULT_BAR, main
from tests.conformance.recordings import Recording, read_recordings
from tests.conformance.replay import find_differences
from tests.recordings import FOLDER, WITHOUT

needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason=WITHOUT)


def _read(scenario: str, version: str = "2.4.1") -> Recording:
    found = [r for r in read_recordings(FOLDER) if (r.scenario, r.magento_version) == (scenario, version)]
    if not found:
        pytest.skip(f"not run: {FOLDER} has no {scenario} of {version}")
    return found[0]


@needs_recordings
def test_the_sandbox_answers_as_magento_did_up_to_the_bar_of_each_version() -> None:
    verdicts: dict[str, dict[str, bool]] = defaultdict(dict)
    for recording in read_recordings(FOLDER):
        verdicts[recording.magento_version][recording.scenario] = not find_differences(recording)

    for version, scenarios in verdicts.items():
        share = Fraction(sum(scenarios.values()), len(scenarios))
        assert share >= BARS.get(version, DEFAULT_BAR), [name for name, is_equal in scenarios.items() if not is_equal]


def _spoil_status(document: dict[str, Any]) -> None:
    document["exchanges"][0]["response"]["status"] = 418


def _spoil_memo_amount(document: dict[str, Any]) -> None:
    document["after"]["creditmemos"][0]["grand_total"] += 1


def _spoil_item_counter(document: dict[str, Any]) -> None:
    document["after"]["orders"][0]["items"][0]["qty_refunded"] += 1


def _spoil_message(document: dict[str, Any]) -> None:
    refused = next(e for e in document["exchanges"] if e["response"]["status"] >= 400)
    refused["response"]["body"]["message"] += " Or not."


def _spoil_parameter(document: dict[str, Any]) -> None:
    refused = next(e for e in document["exchanges"] if e["response"]["status"] >= 400)
    refused["response"]["body"]["parameters"] = ["something else"]


def _spoil_on_hand(document: dict[str, Any]) -> None:
    stock = next(iter(document["after"]["stock"].values()))
    stock["source_items"][0]["quantity"] += 1


def _spoil_salable(document: dict[str, Any]) -> None:
    next(iter(document["after"]["stock"].values()))["salable"] -= 1


def _spoil_ledger(document: dict[str, Any]) -> None:
    document["gateway"][-1]["amount"] += 1


def _drop_ledger_line(document: dict[str, Any]) -> None:
    document["gateway"].pop()


def _drop_field(document: dict[str, Any]) -> None:
    del document["after"]["orders"][0]["payment"]["base_amount_refunded"]


def _empty_field(document: dict[str, Any]) -> None:
    document["after"]["creditmemos"][0]["items"][0]["base_cost"] = 0


def _change_history(document: dict[str, Any]) -> None:
    document["after"]["orders"][0]["status_histories"][0]["comment"] = "We refunded nothing."


def _merge_ids(document: dict[str, Any]) -> None:
    memos = document["after"]["creditmemos"]
    memos[-1]["entity_id"] = memos[0]["entity_id"]


@needs_recordings
@pytest.mark.parametrize(
    ("scenario", "spoil"),
    [
        ("tutorial-refund-simple", _spoil_status),
        ("tutorial-refund-simple", _spoil_memo_amount),
        ("tutorial-refund-simple", _spoil_on_hand),
        ("tutorial-refund-simple", _spoil_salable),
        ("tutorial-refund-simple", _drop_field),
        ("tutorial-refund-simple", _empty_field),
        ("tutorial-refund-simple", _change_history),
        ("simple-qty3-one-by-one", _spoil_item_counter),
        ("simple-qty3-one-by-one", _spoil_message),
        ("simple-qty3-one-by-one", _spoil_parameter),
        ("simple-qty3-one-by-one", _merge_ids),
        ("adjustments-limits", _spoil_message),
        ("tax-discount-shipping", _spoil_memo_amount),
        ("bundle-dynamic-by-children", _spoil_item_counter),
        ("gateway-decline", _spoil_ledger),
        ("gateway-decline", _drop_ledger_line),
        ("online-flag-variants", _spoil_ledger),
    ],
)
def test_a_spoilt_recording_is_found_out(scenario: str, spoil: Callable[[dict[str, Any]], None]) -> None:
    recording = _read(scenario)
    spoilt = copy.deepcopy(recording.document)
    spoil(spoilt)

    differences = find_differences(Recording(file=recording.file, document=spoilt))

    assert differences
    assert not find_differences(recording)


@needs_recordings
def test_an_outcome_that_was_never_recorded_is_found_out() -> None:
    recording = _read("concurrent-identical-online")
    spoilt = copy.deepcopy(recording.document)
    spoilt["gateway"] = [line for line in spoilt["gateway"] if line["what"] != "refund"]

    assert find_differences(Recording(file=recording.file, document=spoilt))


def test_a_folder_without_recordings_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package.json").write_text("{}")

    assert main([str(tmp_path)]) != 0
    assert "no recordings" in capsys.readouterr().err
