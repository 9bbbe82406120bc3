"""Text to search words: splitting, stemming, and the words that carry no meaning.

Documents and queries go through the same functions, so that the two always meet. English gets stems and stop words;
other languages are split and compared as they are, without accents; scripts without spaces go by pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Plural acronyms (PRs), acronyms, words with or without a capital, numbers, letters of other scripts.
_WORD = re.compile(r"[A-Z]{2,}(?=s(?![a-z]))|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# Taken apart above, but also one word to many: k8s, s3, GitHub, PostgreSQL.
_WHOLE = re.compile(
    r"(?<![A-Za-z\d])(?:(?=[A-Za-z]*\d)[A-Za-z][A-Za-z\d]{1,7}|[A-Z][a-z]+[A-Z]+[a-z]*)(?![A-Za-z\d])"
)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

LONGEST_WORD = 40
"""Longer runs of letters are data (a key, an encoded file), not words."""

_STOP = """
    a an the of to in on at for from by with and or not no is are was were be been being am do does did doing have
    has had having it its this that these those i me my we our us you your he she his her they them their what which
    who whom whose when where why how can could would should will shall may might must if then than so as but about
    into over under up down out off only just also very too any some all each both more most other such own same there
    here s t re ve ll d m don"""
STOP_WORDS = frozenset(_STOP.split())
"""Left out of documents and queries that say more than these."""

_CASUAL = """
    please want wants need needs needed like help helps know let lets give tell thanks thank hi hello hey find look
    looking get got make sure provide provides information info detail details able available using use used based
    specific specified certain various planning plan plans friend friends family love interested curious wondering
    wonder try trying going go come additionally furthermore moreover currently recently now today new good best great
    possible way ways thing things something anything someone lot many much one two kind type well really quickly
    easily following show including include related regarding interesting suggest suggestions recommend recommendation
    recommendations assist assistance"""
CASUAL_WORDS = frozenset(_CASUAL.split())
"""Said around a wish more often than they are the wish; they count for less in a query."""


def words(text: str) -> list[str]:
    """The words of `text` in lower case and in order, not yet stemmed.

    Stop words are left out, unless there is nothing else: a tool may be called `who_am_i`.
    """
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    every = list(_split(text))
    return [word for word in every if word not in STOP_WORDS] or every


def _split(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if len(word) > LONGEST_WORD:
            continue
        if len(word) > 2 and not word.isascii() and _UNSPACED.match(word):
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word
    for match in _WHOLE.finditer(text):
        yield match.group().lower()


def stems(text: str, known: dict[str, str]) -> list[str]:
    """The stems of the words of `text`, in order. Those in `known` are taken from there, and new ones put there."""
    found = []
    for word in words(text):
        root = known.get(word)
        if root is None:
            root = known[word] = stem(word)
        found.append(root)
    return found


def stem(word: str) -> str:
    """`word` without its inflection: "searches", "searching" and "searched" meet in "search".

    Light on purpose: what it leaves apart, related words and common beginnings bring together at a lower weight.
    """
    if len(word) <= 3 or not word.isalpha() or not word.isascii():
        return word
    word = _singular(word)
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            word = word[: -len(suffix)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if word.endswith("y") and len(word) > 3:
        word = word[:-1] + "i"
    return word


_SUFFIXES = ("ization", "ing", "edly", "ed", "ment", "ly", "er", "or", "ion")


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is", "news")):
        return word[:-1]
    return word
