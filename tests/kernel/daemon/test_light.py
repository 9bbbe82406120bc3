"""What a gateway's process has in memory for nothing, it has for as long as it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("only1mcp_kernel.daemon.__main__", {"typer", "pickle"}),
        ("only1mcp_kernel.config.load", {"ruamel.yaml", "tomllib"}),
    ],
)
def test_is_not_imported(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
