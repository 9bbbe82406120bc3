"""An example Only1MCP plugin: a balancer that keeps each caller on one replica."""
