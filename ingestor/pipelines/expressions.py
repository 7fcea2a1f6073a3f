"""SQL expressions of a pipeline document: one row's columns in, one value out.

An expression is split into tokens, and each must be on a list of allowed ones. So no query, table function,
aggregate or clock gets in: a row's value depends only on that row. The columns that it reads are known
without running it, which the header check needs. Whether the tokens stand in a valid order shows only when
Polars runs them (ingestor.checking.document).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

MAX_CHARACTERS = 4000
MAX_DEPTH = 30
# Values that operators combine; items of a list and arguments of a function are flat and do not count. Polars
# recurses into a chain (some 400 links end the process) and takes time by its square.
MAX_OPERANDS = 200
# A chain is computed in pieces of so many values, each from the result of the one before.
_PIECE = 24

CastType = Literal["text", "integer", "decimal", "double", "boolean", "date", "timestamp", "same"]

_TYPES: dict[str, CastType] = {
    "TEXT": "text", "VARCHAR": "text", "STRING": "text",
    "INT": "integer", "INTEGER": "integer", "BIGINT": "integer", "SMALLINT": "integer",
    "DECIMAL": "decimal", "NUMERIC": "decimal",
    "DOUBLE": "double", "FLOAT": "double", "REAL": "double",
    "BOOLEAN": "boolean", "BOOL": "boolean",
    "DATE": "date", "TIMESTAMP": "timestamp", "DATETIME": "timestamp",
}  # fmt: skip
# Functions of one row's values, with the same result whenever they are called.
FUNCTIONS = frozenset(
    (
        "ABS", "CEIL", "FLOOR", "ROUND", "SIGN", "SQRT", "MOD", "GREATEST", "LEAST",
        "COALESCE", "IFNULL", "NULLIF", "IF",
        "CONCAT", "CONCAT_WS", "LENGTH", "CHAR_LENGTH", "OCTET_LENGTH", "LOWER", "UPPER", "INITCAP",
        "LEFT", "RIGHT", "SUBSTR", "SUBSTRING", "TRIM", "LTRIM", "RTRIM", "REPLACE", "REVERSE",
        "STARTS_WITH", "ENDS_WITH", "STRPOS", "SPLIT_PART", "REGEXP_LIKE",
        "STRFTIME",
    )
)  # fmt: skip
# Polars returns small integers from these, which would overflow unnoticed.
_COUNTING = frozenset(("LENGTH", "CHAR_LENGTH", "OCTET_LENGTH", "STRPOS", "EXTRACT"))
# Words between values; a value follows them.
_BETWEEN = frozenset(("AND", "OR", "NOT", "IN", "IS", "BETWEEN", "LIKE", "ILIKE", "WHEN", "THEN", "ELSE"))
_VALUES = frozenset(("TRUE", "FALSE", "NULL"))
# Words that form a value with the text behind them.
_TYPED_LITERALS = frozenset(("DATE", "TIMESTAMP", "INTERVAL"))
_DATE_PARTS = frozenset(
    ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "DOY", "ISODOW", "HOUR", "MINUTE", "SECOND")
)
# How tightly operators bind, as Polars reads them. What is unknown here ends no piece of a chain.
_BINDING = {
    "OR": 1, "AND": 2, "NOT": 3, "IS": 4, "LIKE": 5, "ILIKE": 5, "=": 6, "==": 6, "<>": 6, "!=": 6, "<": 6,
    "<=": 6, ">": 6, ">=": 6, "IN": 6, "BETWEEN": 6, "+": 7, "-": 7, "*": 8, "/": 8, "%": 8, "||": 8,
}  # fmt: skip
_TIGHTEST = max(_BINDING.values())
# Bytes that a value takes which is no text, such as a number; and the most of it as text.
_PLAIN_BYTES = 16
_WRITTEN_BYTES = 64
# Words of SQL that name a column only if quoted.
_QUERY = frozenset(
    (
        "SELECT", "FROM", "WHERE", "JOIN", "UNION", "EXCEPT", "INTERSECT", "WITH", "OVER", "GROUP", "ORDER",
        "HAVING", "LIMIT", "EXISTS", "ANY", "ALL", "SOME", "DISTINCT", "VALUES", "TABLE", "INSERT", "UPDATE",
        "DELETE", "CREATE", "DROP", "COPY",
    )
)  # fmt: skip

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<comma>,)
    | (?P<operator><>|!=|<=|>=|==|\|\||[=<>+\-*/%])
    )""",
    re.VERBOSE,
)


class ExpressionError(ValueError):
    """The text is not an allowed expression; the message is one sentence without its subject."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A CAST inside an expression (or a function whose result is cast): the SQL of what is cast, and the
    target type. `precision` and `scale` are those of a decimal. "same": a piece of a chain, not cast."""

    sql: str
    to: CastType
    precision: int = 38
    scale: int = 9


@dataclass(frozen=True, slots=True)
class Growth:
    """The most bytes that a row's values take: constant + factor * (bytes of its columns + 1) ** power."""

    constant: float
    factor: float = 0
    power: int = 0

    def __add__(self, other: Growth) -> Growth:
        return Growth(
            self.constant + other.constant, self.factor + other.factor, max(self.power, other.power)
        )

    def __mul__(self, other: Growth) -> Growth:
        return Growth(
            self.constant * other.constant,
            self.constant * other.factor + self.factor * other.constant + self.factor * other.factor,
            self.power + other.power,
        )


_NOTHING = Growth(0)
_COLUMN = Growth(0, 1, 1)
_PLAIN = Growth(_PLAIN_BYTES)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. In `sql` (and in the casts' own) the column `columns[i]` is called "c<i>", the
    result of `casts[i]` "k<i>"; a cast refers only to earlier casts."""

    text: str
    columns: tuple[str, ...]
    casts: tuple[Cast, ...]
    sql: str
    growth: Growth = _PLAIN


@dataclass(slots=True)
class _Argument:
    """What is known of one value between parentheses and commas: its growth, and its text if it is only a
    literal. For its chain: how many values there are since the last piece, and the loosest operator among
    them; whether a BETWEEN lacks its AND; how many CASE are open; where it begins in the parts."""

    begin: int
    growth: Growth = _NOTHING
    literal: str | None = None
    values: int = 0
    loosest: int = _TIGHTEST
    between: bool = False
    cases: int = 0


@dataclass(slots=True)
class _Open:
    """An open parenthesis, and what has been read since."""

    kind: Literal["whole", "group", "cast", "extract"]
    parts: list[str] = field(default_factory=list)
    function: str = ""
    to: Cast | None = None
    arguments: list[_Argument] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.arguments.append(_Argument(len(self.parts)))

    @property
    def growth(self) -> Growth:
        """Of the value that it makes: the sum of its arguments, but for REPLACE, which multiplies."""
        found = [argument.growth for argument in self.arguments]
        if self.function == "REPLACE" and len(found) == 3:
            old, new = (argument.literal for argument in self.arguments[1:])
            if old and new is not None:
                return found[0] * Growth(max(1.0, len(new.encode()) / len(old.encode())))
            return found[0] + (found[0] + Growth(1)) * found[2]
        total = sum(found[1:], found[0])
        if self.function == "CONCAT_WS":
            total += found[0] * Growth(len(found))
        elif self.function in ("LOWER", "UPPER", "INITCAP"):  # one letter may become three
            total *= Growth(3)
        elif self.function == "STRFTIME":  # one directive becomes a text
            total *= Growth(_WRITTEN_BYTES)
        return total


def parse_expression(text: str) -> Expression:
    """Parse an expression. Raises ExpressionError."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"is longer than {MAX_CHARACTERS} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._columns: dict[str, int] = {}
        self._casts: list[Cast] = []
        self._open = [_Open("whole")]
        self._after_value = False
        self._operands = 0

    def whole(self) -> Expression:
        """Read everything."""
        readers: dict[str, Callable[[str, int], None]] = {
            "text": self._literal, "number": self._number, "quoted": self._quoted, "word": self._word,
            "open": self._group, "close": self._close, "comma": self._comma, "operator": self._operator,
        }  # fmt: skip
        while self._at < len(self._tokens):
            kind, token, start = self._tokens[self._at]
            self._at += 1
            readers[kind](token, start)
        if len(self._open) > 1:
            raise ExpressionError('a ")" is missing')
        if not self._after_value:
            raise ExpressionError("ends where a value should follow" if self._tokens else "is empty")
        whole = self._open[0]
        sql, growth = " ".join(whole.parts), whole.growth + Growth(_WRITTEN_BYTES)
        return Expression(self._text, tuple(self._columns), tuple(self._casts), sql, growth)

    def _peek(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            return "", ""
        kind, token, _ = self._tokens[self._at]
        return kind, token.upper() if kind == "word" else token

    def _take(self, kind: str, what: str) -> str:
        found, token = self._peek()
        if found != kind:
            raise ExpressionError(f"{what} is missing behind {self._tokens[self._at - 1][1]}")
        self._at += 1
        return token

    @property
    def _argument(self) -> _Argument:
        return self._open[-1].arguments[-1]

    def _emit(self, part: str) -> None:
        self._open[-1].parts.append(part)

    def _made(self, part: str, growth: Growth) -> None:
        """A whole value has ended."""
        argument = self._argument
        argument.literal = None
        argument.growth += growth
        argument.values += 1
        self._emit(part)
        self._after_value = True

    def _value(self, part: str, token: str, start: int, growth: Growth = _PLAIN) -> None:
        """A value of one token; two of them never stand side by side."""
        self._begin(token, start)
        self._made(part, growth)

    def _link(self, operator: str) -> None:
        """Before an operator of a chain: count it, and take out what stands before it as a piece once that is
        long, if it is a value by itself."""
        self._operands += 1
        if self._operands >= MAX_OPERANDS:
            raise ExpressionError(
                f"combines more than {MAX_OPERANDS} values by operators; use IN or CONCAT for long lists"
            )
        argument = self._argument
        argument.literal = None
        if argument.cases:
            return
        binding = _BINDING.get(operator, _TIGHTEST)
        if operator == "AND" and argument.between:
            argument.between = False
            return
        if argument.values >= _PIECE and argument.loosest >= binding and not argument.between:
            parts = self._open[-1].parts
            piece = Cast(" ".join(parts[argument.begin :]), "same")
            del parts[argument.begin :]
            self._emit(self._taken_out(piece))
            argument.values, argument.loosest = 1, _TIGHTEST
        argument.loosest = min(argument.loosest, binding)
        argument.between = argument.between or operator == "BETWEEN"

    def _begin(self, token: str, start: int) -> None:
        if self._after_value:
            raise ExpressionError(f"an operator is missing before {token} (character {start + 1})")
        if self._open[-1].to is not None:
            raise ExpressionError(f"a CAST ends with its type, not with {token} (character {start + 1})")

    def _literal(self, token: str, start: int) -> None:
        self._value(token, token, start, Growth(len(token.encode())))
        if self._argument.values == 1 and self._open[-1].parts[self._argument.begin :] == [token]:
            self._argument.literal = token[1:-1].replace("''", "'")

    def _number(self, token: str, start: int) -> None:
        """Whole numbers are computed with 128 bits; only ROUND needs its digits as they are."""
        group = self._open[-1]
        digits = group.function == "ROUND" and group.parts[-1:] == [","] and self._peek()[0] == "close"
        wide = token.isdigit() and not digits
        self._value(f"TRY_CAST( {token} AS HUGEINT )" if wide else token, token, start)

    def _quoted(self, token: str, start: int) -> None:
        self._column(token[1:-1].replace('""', '"'), token, start)

    def _column(self, label: str, token: str, start: int) -> None:
        number = self._columns.setdefault(label, len(self._columns))
        self._value(f'"c{number}"', token, start, _COLUMN)

    def _comma(self, token: str, start: int) -> None:
        if not self._after_value:
            raise ExpressionError(f"a value is missing before , (character {start + 1})")
        if self._open[-1].kind != "group":
            raise ExpressionError(f"a comma is out of place (character {start + 1})")
        self._emit(",")
        self._open[-1].arguments.append(_Argument(len(self._open[-1].parts)))
        self._after_value = False

    def _operator(self, token: str, start: int) -> None:
        if not self._after_value and token not in ("+", "-"):
            raise ExpressionError(f"a value is missing before {token} (character {start + 1})")
        if self._after_value:
            self._link(token)
        self._emit(token)
        self._after_value = False

    def _push(self, opened: _Open) -> None:
        if len(self._open) > MAX_DEPTH:
            raise ExpressionError(f"is nested deeper than {MAX_DEPTH} parentheses")
        self._open.append(opened)
        self._after_value = False

    def _group(self, token: str, start: int) -> None:
        self._begin(token, start)
        self._push(_Open("group"))

    def _close(self, token: str, start: int) -> None:
        if len(self._open) == 1:
            raise ExpressionError(f"a ) closes nothing (character {start + 1})")
        closed = self._open.pop()
        if not self._after_value:
            raise ExpressionError(f"a value is missing before ) (character {start + 1})")
        if closed.kind == "cast":
            if closed.to is None:
                raise ExpressionError(f"a CAST lacks its AS and type (character {start + 1})")
            self._made(self._taken_out(closed.to), closed.growth + _PLAIN)
        elif closed.function in _COUNTING:
            counted = Cast(f"{closed.function} ( {' '.join(closed.parts)} )", "integer")
            self._made(self._taken_out(counted), closed.growth + _PLAIN)
        else:
            self._made(f"{closed.function}( {' '.join(closed.parts)} )", closed.growth)

    def _taken_out(self, cast: Cast) -> str:
        """The name of what is computed before."""
        self._casts.append(cast)
        return f'"k{len(self._casts) - 1}"'

    def _word(self, token: str, start: int) -> None:
        word = token.upper()
        following, _ = self._peek()
        if word == "AS" and self._open[-1].kind == "cast" and self._after_value:
            self._cast_type()
        elif word in ("CAST", "TRY_CAST") and following == "open":
            self._begin(token, start)
            self._at += 1
            self._push(_Open("cast"))
        elif word == "EXTRACT" and following == "open":
            self._begin(token, start)
            self._at += 1
            part = self._take("word", "a part such as YEAR")
            if part not in _DATE_PARTS or self._take("word", "FROM") != "FROM":
                raise ExpressionError(f"EXTRACT takes one of {', '.join(sorted(_DATE_PARTS))} FROM a value")
            self._push(_Open("extract", [part, "FROM"], word))
        elif word in _BETWEEN:
            self._keyword(word, start)
        elif word == "CASE":
            self._begin(token, start)
            self._emit(word)
            self._argument.cases += 1
        elif word == "END":
            self._argument.cases -= 1
            self._made(word, _NOTHING)
        elif word in _VALUES:
            self._value(word, token, start)
        elif word in _TYPED_LITERALS and following == "text":
            self._at += 1
            self._value(f"{word} {self._tokens[self._at - 1][1]}", token, start)
        elif following == "open":
            if word not in FUNCTIONS:
                raise ExpressionError(f"{token} is not an allowed function (character {start + 1})")
            self._begin(token, start)
            self._at += 1
            self._push(_Open("group", function=word))
        elif word in _QUERY or word == "AS":
            raise ExpressionError(
                f"{token} is not allowed: only an expression over the columns of one row is; a column of "
                f"that name goes in double quotes (character {start + 1})"
            )
        else:
            self._column(token, token, start)

    def _keyword(self, word: str, start: int) -> None:
        """NOT stands before a value or between two (NOT IN); WHEN may follow CASE directly; the others
        follow a value, and IN, IS and LIKE may follow NOT."""
        last = self._open[-1].parts[-1] if self._open[-1].parts else ""
        fitting = self._after_value or word == "NOT" or last == "NOT" or (word == "WHEN" and last == "CASE")
        if not fitting:
            raise ExpressionError(f"a value is missing before {word} (character {start + 1})")
        if self._after_value and word not in ("WHEN", "THEN", "ELSE"):
            # NOT between two values belongs to the operator behind it.
            self._link(self._peek()[1] if word == "NOT" else word)
        elif word == "NOT":
            self._argument.loosest = min(self._argument.loosest, _BINDING["NOT"])
        self._emit(word)
        self._after_value = False

    def _cast_type(self) -> None:
        word = self._take("word", "a type")
        to = _TYPES.get(word)
        if to is None:
            raise ExpressionError(f"{word} is not a known type; known are {', '.join(_TYPES)}")
        if word == "DOUBLE" and self._peek() == ("word", "PRECISION"):
            self._at += 1
        sizes: list[int] = []
        if to in ("decimal", "text") and self._peek()[0] == "open":
            self._at += 1
            sizes.append(self._size(word))
            if to == "decimal" and self._peek()[0] == "comma":
                self._at += 1
                sizes.append(self._size(word))
            self._take("close", "a )")
        sql = " ".join(self._open[-1].parts)
        if to == "text" and sizes:
            raise ExpressionError(f"{word} takes no length here; use LEFT to shorten a text")
        if to == "decimal" and sizes:
            precision, scale = sizes[0], sizes[1] if len(sizes) > 1 else 0
            if not (1 <= precision <= 38 and scale <= precision):
                raise ExpressionError(f"{word} has at most 38 digits, including its scale")
            self._open[-1].to = Cast(sql, to, precision, scale)
        else:
            self._open[-1].to = Cast(sql, to)
        if self._peek()[0] != "close":
            raise ExpressionError(f"a ) is missing behind {word}")

    def _size(self, word: str) -> int:
        token = self._take("number", "a number of digits")
        if not token.isdigit() or len(token) > 4:
            raise ExpressionError(f"{word}({token}) needs whole numbers of digits")
        return int(token)


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """Kind, text and 0-based start of each token."""
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        start = end - len(text[at:end].lstrip())
        if text[start : start + 2] in ("--", "/*"):
            raise ExpressionError(f"comments are not allowed (character {start + 1})")
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"{text[start]} is not understood (character {start + 1})")
        found.append((match.lastgroup, match[match.lastgroup], start))
        at = match.end()
    return found
