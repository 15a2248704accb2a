"""`python -m bench.hurried SPEED SINCE COMMAND`: web or work by a clock that is SPEED times as fast, the same for both.

Leases and the wait after a lost answer are minutes by design; the service takes its time as a value, so nothing of them
is loosened when they pass in seconds.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from service.commands.invocation import Invocation
from service.commands.run import web_command, work_command

if __name__ == "__main__":
    speed, since, command = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]

    def clock() -> datetime:
        return datetime.fromtimestamp(since + (time.time() - since) * speed, UTC)

    invocation = Invocation(
        environ=os.environ, config_dir=Path(os.environ["REFUNDRY_CONFIG_DIR"]), user="bench", clock=clock
    )
    {"web": web_command, "work": work_command}[command].main(args=[], obj=invocation, standalone_mode=False)
