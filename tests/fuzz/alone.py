"""`python -m tests.fuzz.alone TARGET CORPUS SECONDS`: one target in a process of its own, as libFuzzer wants it.

What is to be covered is instrumented while it is imported, so nothing of it may be imported before.
"""

from __future__ import annotations

import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["service.sources", "service.settings.expressions", "jmespath", "http_sf"]):
    from tests.fuzz.bodies import BODIES
    from tests.fuzz.targets import TARGETS

_LONGEST_INPUT = 4096


def main(name: str, corpus: str, seconds: str) -> None:
    """Does not return: libFuzzer ends the process."""
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT}",
        "-timeout=10",
        f"-artifact_prefix={tempfile.gettempdir()}/refundry-fuzz-",
    ]
    atheris.Setup([sys.argv[0], corpus, *options], (TARGETS | BODIES)[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
