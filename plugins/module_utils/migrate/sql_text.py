# Copyright (c) 2026 the surefoot maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading SQL just closely enough to compare it, to cut it into statements, and to see what must not be in it. Pure."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import typing as t

from ansible_collections.surefoot.release.plugins.module_utils.errors import InvalidInput

SQLITE = "sqlite"
POSTGRESQL = "postgresql"

_COMMON = r"""
    (?P<comment> --[^\n]* )
  | (?P<space> \s+ )
  | (?P<quoted> "(?:[^"]|"")*" )
  | (?P<word> [^\W\d][\w$]* | \d[\w]* )
  | (?P<semicolon> ; )
  | (?P<operator> (?: (?!--|/\*) [-+*/<>=~!@#%^&|?:.] )+ )
  | (?P<other> . )
"""
# Block comments nest in PostgreSQL and do not in SQLite; strings and quoting differ too. What opens and never closes runs to the end of the text.
_TOKENS = {
    SQLITE: re.compile(
        r"(?P<block> /\*.*?(?:\*/|\Z) ) | (?P<bracket> \[[^\]]*\] | `(?:[^`]|``)*` )"
        r" | (?P<string> [xX]?'[^']*(?:''[^']*)*(?:'|\Z) ) |" + _COMMON,
        re.VERBOSE | re.DOTALL,
    ),
    POSTGRESQL: re.compile(
        r"(?P<block> /\* ) | (?P<escaped> [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z) ) | (?P<string> (?:[bBxXnN]|[uU]&)?'[^']*(?:''[^']*)*(?:'|\Z) )"
        r" | (?P<dollar> \$(?P<tag>(?:[^\W\d]\w*)?)\$ .*? (?:\$(?P=tag)\$|\Z) ) |" + _COMMON,
        re.VERBOSE | re.DOTALL,
    ),
}
_DIRECTIVE = re.compile(r"^[ \t]*--[ \t]*surefoot:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_TRANSACTION_WORDS = frozenset(["abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"])


class Token(t.NamedTuple):
    """One meaningful piece of SQL and where it begins in the text."""

    kind: str
    text: str
    start: int


class Statement(t.NamedTuple):
    """One statement without its semicolon, and the line (from 1) on which it begins."""

    text: str
    line: int
    first_word: str


def tokens(text: str, dialect: str) -> t.Iterator[Token]:
    """The tokens of `text` without comments and white space."""
    position = 0
    while position < len(text):
        match = t.cast("re.Match[str]", _TOKENS[dialect].match(text, position))
        kind = match.lastgroup or ""
        if kind == "block" and dialect == POSTGRESQL:
            position = _end_of_nested_comment(text, position)
            continue
        if kind not in ("block", "comment", "space"):
            yield Token(kind, match.group(), position)
        position = match.end()


def checksum(text: str, dialect: str) -> str:
    """SHA-256 in hex of what `text` says: comments, line breaks and indentation do not count."""
    return hashlib.sha256("\0".join(token.text for token in tokens(text, dialect)).encode()).hexdigest()


def says_something(text: str, dialect: str) -> bool:
    """Whether there is anything but comments in `text`."""
    return any(token.kind != "semicolon" for token in tokens(text, dialect))


def statements(text: str, dialect: str) -> list[Statement]:
    """`text` cut at the semicolons that end a statement, not at those inside a trigger or a function body."""
    found: list[Statement] = []
    pending: list[Token] = []
    for token in tokens(text, dialect):
        if token.kind == "semicolon" and not pending:
            continue
        pending.append(token)
        if token.kind == "semicolon" and _is_complete(text[pending[0].start : token.start + 1], pending, dialect):
            found.append(_statement(text, pending[:-1]))
            pending = []
    if pending:
        found.append(_statement(text, pending))
    return found


def runs_in_transaction(text: str) -> bool:
    """False if a comment line says C(surefoot: no-transaction). Raises InvalidInput for any other directive."""
    directives = _DIRECTIVE.findall(text)
    strange = [directive for directive in directives if directive != "no-transaction"]
    if strange:
        raise InvalidInput("A surefoot comment says something unknown", seen=strange[0], todo='the one known is "-- surefoot: no-transaction"')
    return not directives


def transaction_control(text: str, dialect: str) -> Statement | None:
    """The first statement that would end or open a transaction of its own, or None."""
    for statement in statements(text, dialect):
        if statement.first_word in _TRANSACTION_WORDS or statement.text.lower().startswith("prepare transaction"):
            return statement
    return None


def words(text: str, dialect: str) -> frozenset[str]:
    """Every name and keyword in `text`: lower case where not quoted, and without the quotes where quoted."""
    return frozenset(
        token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text.lower()
        for token in tokens(text, dialect)
        if token.kind in ("quoted", "word")
    )


def _is_complete(text: str, pending: list[Token], dialect: str) -> bool:
    return sqlite3.complete_statement(text) if dialect == SQLITE else _depth_of_atomic_body(pending) == 0


def _depth_of_atomic_body(pending: list[Token]) -> int:
    """How many C(BEGIN ATOMIC) or C(CASE) are still open in a PostgreSQL function written in SQL."""
    depth = 0
    for before, token in zip([None, *pending], pending):
        word = token.text.lower() if token.kind == "word" else ""
        if (word == "atomic" and before is not None and before.text.lower() == "begin") or (word == "case" and depth):
            depth += 1
        elif word == "end" and depth:
            depth -= 1
    return depth


def _statement(text: str, pending: list[Token]) -> Statement:
    first, last = pending[0], pending[-1]
    return Statement(text[first.start : last.start + len(last.text)], text.count("\n", 0, first.start) + 1, first.text.lower())


def _end_of_nested_comment(text: str, position: int) -> int:
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)
