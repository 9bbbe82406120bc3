"""Write the pages that are made from code; with --check, only compare them.

python docs/generate.py [--check]
"""

import sys
from pathlib import Path

from only1mcp_kernel.config import reference

PAGES = {"configuration-reference.md": reference.main}


def main() -> int:
    how = "--check" if "--check" in sys.argv[1:] else "--write"
    return max(page([how, str(Path(__file__).with_name(name))]) for name, page in PAGES.items())


if __name__ == "__main__":
    sys.exit(main())
