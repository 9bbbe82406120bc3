#!/bin/sh
# Installs other proxies for MCP below .cache/bench/peers, for `make bench PEERS=1`.
#
# Usage: tests/bench/peers.sh BIN, where BIN holds uv and python. What was installed once is not looked at again; one
# that can't be had on this machine is left out of the bench.
set -eu

bin=$1
peers=$(cd "$(dirname "$0")/../.." && pwd)/.cache/bench/peers
mkdir -p "$peers"

python_peer() { # python_peer NAME VERSION
    [ -f "$peers/$1/made-$2" ] && return
    "$bin/uv" venv --quiet --clear --python "$bin/python" "$peers/$1" &&
        "$bin/uv" pip install --quiet --python "$peers/$1/bin/python" "$1==$2" && touch "$peers/$1/made-$2"
}

node_peer() { # node_peer NAME VERSION
    [ -f "$peers/$1/made-$2" ] && return
    mkdir -p "$peers/$1"
    npm install --prefix "$peers/$1" --no-audit --no-fund --loglevel=error "$1@$2" && touch "$peers/$1/made-$2"
}

python_peer fastmcp 4.1.2 || echo "bench: fastmcp could not be installed" >&2
python_peer mcp-proxy 0.13.0 || echo "bench: mcp-proxy could not be installed" >&2
node_peer supergateway 4.0.0 || echo "bench: supergateway could not be installed" >&2
