"""`python -m only1mcp_kernel.cli`"""

from only1mcp_kernel.cli import main

main()
