"""What the recorded servers work on, beside a clone of this repository: packages, logs, data and pages.

Everything generated comes from a seed.
"""

from __future__ import annotations

import html
import json
import random
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SEED = 20261123
PACKAGES = (
    "express",
    "chalk",
    "commander",
    "debug",
    "hono",
    "ajv",
    "diff",
    "octokit",
    "zod",
    "yaml",
    "semver",
)
NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Margaret", "Tim")
WORDS = (  # noqa: SIM905  (as a text it can be read)
    "the request was handled by worker after retry because cache entry expired while connection pool waited for "
    "database lock and user session token could not be refreshed until upstream service answered with status"
).split()


def lay(place: Path, modules: Path) -> None:
    """Lay everything below `place`."""
    chance = random.Random(SEED)
    for name in PACKAGES:
        if (modules / name).is_dir():
            shutil.copytree(modules / name, place / "packages" / name, symlinks=True)
    _logs(place / "logs", chance)
    _data(place / "data", chance)
    _pages(place / "pages", place / "project", place / "packages", chance)


@contextmanager
def serving(place: Path) -> Iterator[str]:
    """The pages on loopback; yields their address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place / "pages")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


def _logs(folder: Path, chance: random.Random) -> None:
    folder.mkdir()
    for name, lines in (("app.log", 900), ("worker.log", 150), ("boot.log", 40), ("busy.log", 1800)):
        rows = []
        for n in range(lines):
            level = chance.choices(("INFO", "DEBUG", "WARNING", "ERROR"), (70, 20, 7, 3))[0]
            at = f"2026-11-{1 + n * 20 // lines:02} {n % 24:02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
            rows.append(
                f"{at} {level} [{chance.choice(('http', 'db', 'queue'))}] {sentence(chance, 9)} id={n}"
            )
            if level == "ERROR":
                frames = [
                    f'  File "/srv/app/{w}.py", line {chance.randrange(500)}, in {w}' for w in WORDS[:6]
                ]
                rows += ["Traceback (most recent call last):", *frames, f"ValueError: {sentence(chance, 5)}"]
        (folder / name).write_text("\n".join(rows) + "\n")
    for name, lines in (("access.log", 1200), ("access-short.log", 60)):
        rows = [
            f"10.0.{chance.randrange(9)}.{chance.randrange(255)} - - [23/Nov/2026:10:{n % 60:02}:11 +0000] "
            f'"GET /api/{chance.choice(WORDS)}/{chance.randrange(9999)} HTTP/1.1" '
            f'{chance.choice((200, 200, 304, 404, 500))} {chance.randrange(90000)} "-" "Mozilla/5.0 (X11; Linux)"'
            for n in range(lines)
        ]
        (folder / name).write_text("\n".join(rows) + "\n")
    events = [
        json.dumps(
            {
                "ts": 1795000000 + n,
                "event": chance.choice(WORDS),
                "user": chance.randrange(99),
                "ok": n % 7 > 0,
            }
        )
        for n in range(700)
    ]
    (folder / "events.jsonl").write_text("\n".join(events) + "\n")


def issue(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "id": 9_000_000 + number,
        "number": number,
        "title": sentence(chance, 7),
        "state": chance.choice(("open", "closed")),
        "user": {"login": chance.choice(NAMES).lower(), "id": chance.randrange(99999), "type": "User"},
        "labels": [
            {"name": chance.choice(WORDS), "color": f"{chance.randrange(1 << 24):06x}"} for _ in range(2)
        ],
        "comments": chance.randrange(30),
        "created_at": f"2026-10-{1 + number % 30:02}T08:00:00Z",
        "closed_at": None,
        "body": "\n\n".join(sentence(chance, 30) for _ in range(chance.randrange(1, 4))),
    }


def _data(folder: Path, chance: random.Random) -> None:
    folder.mkdir()
    shapes: dict[str, tuple[Any, int | None]] = {
        "issues.json": ([issue(chance, n) for n in range(60)], 2),
        "issues-page.json": ({"total_count": 812, "items": [issue(chance, n) for n in range(30)]}, None),
        "one-issue.json": (issue(chance, 7), 2),
        "weather.json": (
            {
                "place": "Basel",
                "hourly": {
                    name: [round(chance.uniform(-5, 30), 2) for _ in range(240)]
                    for name in ("temperature", "wind", "rain")
                },
            },
            None,
        ),
        "settings.json": ({a: {b: sentence(chance, 3) for b in WORDS[:12]} for a in WORDS[:8]}, 4),
        "small.json": ({"name": "demo", "version": "1.2.3", "private": True}, 2),
        "map.geojson": (
            {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "properties": {"name": chance.choice(NAMES), "n": n},
                        "geometry": {
                            "type": "LineString",
                            "coordinates": [
                                [chance.uniform(7, 8), chance.uniform(46, 48)] for _ in range(20)
                            ],
                        },
                    }
                    for n in range(40)
                ],
            },
            None,
        ),
    }
    for name, (value, indent) in shapes.items():
        (folder / name).write_text(json.dumps(value, indent=indent))
    rows = ["id,name,city,amount,paid"]
    rows += [
        f"{n},{chance.choice(NAMES)},{chance.choice(WORDS)},{chance.uniform(1, 999):.2f},{n % 3 > 0}"
        for n in range(1500)
    ]
    (folder / "orders.csv").write_text("\n".join(rows) + "\n")
    (folder / "few.csv").write_text("\n".join(rows[:40]) + "\n")


def _pages(folder: Path, project: Path, packages: Path, chance: random.Random) -> None:
    """Documents as HTML with the frame of a site, tables, text, and answers of an API."""
    folder.mkdir()
    documents = (
        sorted(project.glob("docs/*.md")) + sorted(packages.glob("*/README.md")) + [project / "README.md"]
    )
    for number, path in enumerate(documents):
        (folder / f"doc{number:03}.html").write_text(
            _framed(path.stem, _as_html(path.read_text(errors="replace")))
        )
    for number, count in enumerate((12, 60, 300)):
        rows = "".join(
            f"<tr><td><a href='/item/{n}'>{sentence(chance, 4)}</a></td><td>{chance.uniform(1, 99):.2f}</td></tr>"
            for n in range(count)
        )
        (folder / f"table{number}.html").write_text(
            _framed("Products", f"<h1>Products</h1><table>{rows}</table>")
        )
        text = "\n\n".join(sentence(chance, 60).capitalize() + "." for _ in range(count // 4))
        (folder / f"story{number}.html").write_text(
            _framed("Story", "".join(f"<p>{part}</p>" for part in text.split("\n\n")))
        )
        (folder / f"plain{number}.txt").write_text(text)
        (folder / f"api{number}.json").write_text(
            json.dumps([issue(chance, n) for n in range(count // 4)], indent=2)
        )


def _framed(title: str, body: str) -> str:
    links = "".join(f"<li><a href='/{word}'>{word}</a></li>" for word in WORDS[:12])
    head = f"<head><title>{title}</title><style>body{{margin:0}}</style><script>var a=1</script></head>"
    main = f"<nav><ul>{links}</ul></nav><main><article>{body}</article></main><footer>About us</footer>"
    return f"<!doctype html><html>{head}<body>{main}</body></html>"


def _as_html(text: str) -> str:
    """Enough of Markdown for a page to look like one."""
    parts = []
    for number, chunk in enumerate(text.split("```")):
        if number % 2:
            parts.append(f"<pre><code>{html.escape(chunk.partition(chr(10))[2])}</code></pre>")
            continue
        for block in re.split(r"\n\s*\n", chunk):
            block = html.escape(block.strip())
            block = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", r"<a href='\2'>\1</a>", block)
            block = re.sub(r"`([^`]+)`", r"<code>\1</code>", block)
            if heading := re.match(r"(#{1,4}) (.*)", block):
                parts.append(f"<h{len(heading[1])}>{heading[2]}</h{len(heading[1])}>")
            elif block.startswith(("- ", "* ")):
                items = re.split(r"\n[-*] ", "\n" + block)
                parts.append("<ul>" + "".join(f"<li>{item}</li>" for item in items if item.strip()) + "</ul>")
            elif block:
                parts.append(f"<p>{block}</p>")
    return "\n".join(parts)
