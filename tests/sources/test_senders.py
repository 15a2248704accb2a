"""Every preset, and a map of one's own: what a sender's bodies become."""

import pytest

from service.settings import preset_kinds
from tests.sources.senders import KINDS, body_of, expected_of, headers_of, reading, samples, source_of


@pytest.mark.parametrize(("kind", "name"), samples())
def test_a_sample_becomes_the_events_that_stand_beside_it(kind, name):
    assert reading(source_of(kind), body_of(kind, name), headers_of(kind, name)) == expected_of(kind, name)


def test_every_preset_has_two_samples_at_least():
    assert set(KINDS) == {*preset_kinds(), "generic"}
    assert [kind for kind in KINDS if len([of for of, _ in samples() if of == kind]) < 2] == []
