#!/bin/sh
# Installs what the scenarios run, below .cache/: Node and npm programs, two generations of the Python SDK, three servers.
#
# Usage: tests/scenarios/setup.sh BIN [PART...], where BIN holds uv and python; without a PART, all of them. Each is
# stamped with what it was made from, so a second run does nothing. A part that can't be had on this machine leaves its reason in .cache/scenarios/NAME.missing; tests that
# need it are skipped with that reason.
set -eu

bin=$1
shift
wanted_parts=" ${*:-node mcp1 mcp2 servers wrk} "
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/.cache
made=$cache/scenarios
mkdir -p "$made"

# part NAME WANTED COMMAND...: runs COMMAND unless NAME was already made from WANTED.
part() {
    name=$1 wanted=$2
    shift 2
    case $wanted_parts in *" $name "*) ;; *) return ;; esac
    if [ -f "$made/$name.made" ] && [ "$(cat "$made/$name.made")" = "$wanted" ]; then
        return
    fi
    rm -f "$made/$name.made" "$made/$name.missing"
    if "$@"; then
        printf '%s' "$wanted" >"$made/$name.made"
    else
        echo "scenarios: $name: $reason" >&2
        printf '%s' "$reason" >"$made/$name.missing"
    fi
}

# The programs want Node 22 or newer, npm may come with an older one: Node is installed like the rest.
node_programs() {
    reason="npm is not installed"
    command -v npm >/dev/null || return 1
    reason="npm could not install tests/tools/package.json"
    mkdir -p "$cache/node"
    cp "$root/tests/tools/package.json" "$root/tests/tools/package-lock.json" "$cache/node/"
    npm ci --prefix "$cache/node" --no-audit --no-fund --loglevel=error || return 1
    ln -sfn node_modules/.bin "$cache/node/bin"
    reason="the installed Node does not start"
    "$cache/node/bin/node" --version >/dev/null
}

sdk() { # sdk DIRECTORY REQUIREMENT
    reason="$2 could not be installed"
    "$bin/uv" venv --quiet --clear --python "$bin/python" "$made/$1" &&
        "$bin/uv" pip install --quiet --python "$made/$1/bin/python" "$2"
}

# uvx prefers an installed tool, so `uvx mcp-server-time` starts without asking an index.
python_servers() {
    for server in "$@"; do
        reason="$server could not be installed"
        UV_TOOL_DIR="$made/tools" UV_TOOL_BIN_DIR="$made/tools/bin" \
            "$bin/uv" tool install --quiet --force --python "$bin/python" "$server" || return 1
    done
}

debian() { # debian PROGRAM PACKAGE
    reason="$1 is not installed (Debian: apt-get install $2)"
    command -v "$1" >/dev/null && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    reason="apt-get could not install $2"
    { apt-get install -y -q "$2" || { apt-get update -q && apt-get install -y -q "$2"; }; } >"$made/apt.log" 2>&1
}

part node "$(cksum <"$root/tests/tools/package-lock.json")" node_programs
part mcp1 "mcp[ws]==1.30.0" sdk mcp1 "mcp[ws]==1.30.0"
part mcp2 "mcp==2.3.0" sdk mcp2 "mcp==2.3.0"
servers="mcp-server-time==2026.10.19 mcp-server-git==2026.10.19 mcp-server-fetch==2026.10.24"
# shellcheck disable=SC2086 # a list of words
part servers "$servers" python_servers $servers
for program in wrk nginx; do
    command -v "$program" >/dev/null || rm -f "$made/$program.made"
done
part wrk wrk debian wrk wrk
part nginx nginx debian nginx nginx-light
