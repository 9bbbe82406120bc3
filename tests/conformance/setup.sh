#!/bin/sh
# Installs the reference server and client of the Python SDK, from its source distribution, into .cache/conformance. The
# suite itself is one of the npm programs that tests/scenarios/setup.sh installs.
#
# Usage: tests/conformance/setup.sh BIN, where BIN holds uv and python. A second run does nothing.
set -eu

version=2.3.0
sum=8b147a50441cf059dc88c684e0aeed3687f0aa0f39c6cde7b90330effd2b34d8
bin=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
made=$root/.cache/conformance
stamp=$made/made

"$root/tests/scenarios/setup.sh" "$bin" node servers
for part in node servers; do
    if [ -e "$root/.cache/scenarios/$part.missing" ]; then
        echo "conformance: $(cat "$root/.cache/scenarios/$part.missing")" >&2
        exit 1
    fi
done
if [ "$(cat "$stamp" 2>/dev/null)" = "$version" ]; then
    exit
fi
rm -rf "$made"
mkdir -p "$made"
echo "mcp==$version --hash=sha256:$sum" >"$made/wanted.txt"
"$bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary mcp --require-hashes \
    --dest "$made" --requirement "$made/wanted.txt"
tar -xzf "$made/mcp-$version.tar.gz" -C "$made"
ln -s "mcp-$version" "$made/source"
"$bin/uv" venv --quiet --python "$bin/python" "$made/venv"
"$bin/uv" pip install --quiet --python "$made/venv/bin/python" "mcp==$version" "$made/source/examples/servers/everything-server"
printf '%s' "$version" >"$stamp"
