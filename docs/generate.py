"""Write the pages that are made from code; with --check, only compare them.

python docs/generate.py [--check]
"""

import sys
from pathlib import Path

from only1mcp_kernel.config import reference as configuration
from only1mcp_sdk import reference as kinds

PAGES = {"configuration-reference.md": configuration.main, "kinds": kinds.main}


def main() -> int:
    how = "--check" if "--check" in sys.argv[1:] else "--write"
    return max(page([how, str(Path(__file__).with_name(name))]) for name, page in PAGES.items())


if __name__ == "__main__":
    sys.exit(main())
