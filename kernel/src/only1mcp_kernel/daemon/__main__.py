"""`python -m only1mcp_kernel.daemon WHAT`: a gateway in the background, for `background` to run.

WHAT is a JSON object. Nobody types it, so there is no command line to be parsed, and none of what parses one in memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from only1mcp_kernel.daemon.edits import listen_at
from only1mcp_kernel.daemon.exits import exit_code
from only1mcp_kernel.daemon.serve import serve_in_background
from only1mcp_sdk import Only1McpError


def main() -> None:
    told = json.loads(sys.argv[1])
    edit = listen_at(host=told["host"], port=told["port"])
    try:
        serve_in_background(Path(told["config"]), edit, insecure=told["insecure"], pipe=told["pipe"])
    except Only1McpError as error:  # which has been reported
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
