"""Where the installed servers and clients are, and what their processes must be told of this machine.

Nothing here installs; `setup.sh` does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = ROOT / ".cache" / "scenarios"
NODE_BIN = ROOT / ".cache" / "node" / "bin"
VENV_BIN = Path(sys.executable).parent
ONLY1MCP = VENV_BIN / "only1mcp"
TINY = Path(__file__).parent / "servers" / "tiny.py"

# SDK clients and careful launchers start their children with next to no environment. Certificates, indexes and
# caches are facts about this machine that a child can't guess.
_FACTS = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "HOME",
    "LANG",
    "TMPDIR",
)
_FACT_PREFIXES = ("UV_", "PIP_", "npm_config_", "NPM_CONFIG_", "XDG_")


def why_missing(*parts: str) -> str:
    """Why these parts can't be used, or nothing when all are there. Parts as named in `setup.sh`."""
    for part in parts:
        if (MADE / f"{part}.missing").exists():
            return f"{part}: {(MADE / f'{part}.missing').read_text()}"
        if not (MADE / f"{part}.made").exists():
            return f"{part} is not installed: run `make scenarios-tools`"
    return ""


def machine() -> dict[str, str]:
    """The environment that every server and client gets."""
    facts = {k: v for k, v in os.environ.items() if k in _FACTS or k.startswith(_FACT_PREFIXES)}
    return {
        **facts,
        "PATH": f"{NODE_BIN}:{VENV_BIN}:{os.environ['PATH']}",
        "UV_TOOL_DIR": str(MADE / "tools"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
