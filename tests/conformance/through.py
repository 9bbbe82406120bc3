"""A client behind the gateway: run by the suite as if it were the client itself.

Usage: python -m tests.conformance.through FOLDER ERA CLIENT... URL: starts a gateway in front of URL, which is
spoken to in that era (`auto`: as found out), and runs CLIENT against the gateway.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.conformance.processes import gateway


def main() -> int:
    folder, era, *client, url = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the suite's time is up: stop the gateway, too
    with gateway({"suite": {"url": url, "era": era}}, Path(folder) / uuid.uuid4().hex) as front:
        return subprocess.run([*client, front], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
