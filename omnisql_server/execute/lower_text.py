"""Functions of texts that DuckDB has under another name or with another edge, by `text_macros`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute.lowered import Rule, call, cast, is_proved, native, text_literal, whole_literal
from omnisql_server.execute.output_types import INTEGERS, output_type

_Type = exp.DType
_TEXTS = (_Type.TEXT, _Type.VARCHAR)
_PATTERN = re.compile(
    r"(\^)?(([A-Za-z0-9 _@#%&=:;,!<>/'\"~-]|\\[.*+?()|^$-]|\.|\[\^?([A-Za-z0-9 _@#%&=:;,!<>/.]|[a-z]-[a-z]|[A-Z]-[A-Z]"
    r"|[0-9]-[0-9])+\]|\((?![?*])|\)|\|)([*+?](?![*+?{]))?)*(\$)?"
)
"""Regular expressions of which PostgreSQL's and RE2's flavours match the same texts: no classes, no back references."""
_SIMPLE_SIMILAR = re.compile(
    r"([A-Za-z0-9 /,%_]|\([A-Za-z0-9 /,%_]+(\|[A-Za-z0-9 /,%_]+)*\)|\[[a-z0-9]-[a-z0-9]\]\+?)*"
)


def _is_text(*nodes: exp.Expr | None) -> bool:
    return all(node is not None and output_type(node) in _TEXTS for node in nodes)


def _is_whole(*nodes: exp.Expr | None) -> bool:
    return all(node is not None and output_type(node) in (_Type.SMALLINT, _Type.INT) for node in nodes)


def _text_form(node: exp.Expr, truth: tuple[str, str]) -> exp.Expr | None:
    """Give a text, integer or truth value as concat and format show it."""
    kind = output_type(node)
    if kind in _TEXTS:
        return node.copy()
    if kind in INTEGERS:
        return cast(node, "VARCHAR", _Type.TEXT)
    if kind is _Type.BOOLEAN:
        return call("omnisql_truth", _Type.TEXT, node, *(text_literal(word) for word in truth))
    return None


def _joined(node: exp.Expr, _zone: str) -> exp.Expr | None:
    values = node.expressions
    kinds = [output_type(value) for value in values]
    if is_proved(node) or all(kind in _TEXTS for kind in kinds):
        return None
    shown = [value.copy() if isinstance(value, exp.Null) else _text_form(value, ("t", "f")) for value in values]
    known = [value for value in shown if value is not None]
    name = "concat_ws" if isinstance(node, exp.ConcatWs) else "concat"
    if len(known) < len(shown) or (name == "concat_ws" and not _is_text(values[0])):
        return None
    return native(name, _Type.TEXT, *known)


def _reversed(node: exp.Expr, _zone: str) -> exp.Expr | None:
    return call("omnisql_reverse", _Type.TEXT, node.this) if _is_text(node.this) else None


def _translated(node: exp.Expr, _zone: str) -> exp.Expr | None:
    parts = [node.this, node.args.get("from_"), node.args.get("to")]
    known = [part for part in parts if part is not None]
    return native("translate", _Type.TEXT, *known) if len(known) == 3 and _is_text(*known) else None


def _position(node: exp.Expr, _zone: str) -> exp.Expr | None:
    sought = node.args.get("substr")
    plain = not any(node.args.get(key) for key in ("position", "occurrence"))
    return native("strpos", _Type.INT, node.this, sought) if plain and _is_text(node.this, sought) and sought else None


def _substring(node: exp.Expr, _zone: str) -> exp.Expr | None:
    start, length = node.args.get("start"), node.args.get("length")
    if not _is_text(node.this) or start is None or not _is_whole(start) or (length and not _is_whole(length)):
        return None
    if length is None:
        return call("omnisql_substring_from", _Type.TEXT, node.this, start)
    return call("omnisql_substring", _Type.TEXT, node.this, start, length)


def _split_part(node: exp.Expr, _zone: str) -> exp.Expr | None:
    sign, place = node.args.get("delimiter"), node.args.get("part_index")
    if not _is_text(node.this, sign) or not _is_whole(place) or sign is None or place is None:
        return None
    return call("omnisql_split_part", _Type.TEXT, node.this, sign, place)


def _overlay(node: exp.Expr, _zone: str) -> exp.Expr | None:
    other, start, length = node.expression, node.args.get("from_"), node.args.get("for_")
    if start is None or not (_is_text(node.this, other) and _is_whole(start) and (length is None or _is_whole(length))):
        return None
    length = length or native("length", _Type.INT, other)
    return call("omnisql_overlay", _Type.TEXT, node.this, other, start, length)


def _padded(node: exp.Expr, _zone: str) -> exp.Expr | None:
    fill, width = node.args.get("fill_pattern"), node.expression
    if not _is_text(node.this) or not _is_whole(width) or (fill is not None and not _is_text(fill)):
        return None
    side = "lpad" if node.args.get("is_left", True) else "rpad"
    return call(f"omnisql_{side}", _Type.TEXT, node.this, width, fill or text_literal(" "))


def _ends(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """LEFT and RIGHT by a computed count."""
    if not _is_text(node.this) or not _is_whole(node.expression):
        return None
    return native(node.key, _Type.TEXT, node.this, node.expression)


def _letter(node: exp.Expr, _zone: str) -> exp.Expr | None:
    code = node.expressions[0] if len(node.expressions) == 1 else None
    return call("omnisql_chr", _Type.TEXT, code) if code is not None and _is_whole(code) else None


def _bits(node: exp.Expr, _zone: str) -> exp.Expr | None:
    return call("omnisql_bit_length", _Type.INT, node.this) if _is_text(node.this) else None


def _matched(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Match a regular expression that both flavours read alike; a period matches a newline in PostgreSQL."""
    pattern = node.expression
    known = isinstance(pattern, exp.Literal) and pattern.is_string and not node.args.get("flag")
    if not known or not _is_text(node.this) or not _is_plain_pattern(pattern.name):
        return None
    return native("regexp_matches", _Type.BOOLEAN, node.this, text_literal(pattern.name), text_literal("s"))


def _is_plain_pattern(pattern: str) -> bool:
    """Say whether a pattern is of the common language: groups are balanced, and nothing is repeated that is empty."""
    if not pattern.isascii() or _PATTERN.fullmatch(pattern) is None or re.search(r"[(|][*+?|)]|\|$|^\|", pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _similar(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """SIMILAR TO by a regular expression over the whole text."""
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string and _is_text(node.this)):
        return None
    if _SIMPLE_SIMILAR.fullmatch(pattern.name) is None:
        return None
    regular = pattern.name.replace("%", ".*").replace("_", ".")
    return native("regexp_full_match", _Type.BOOLEAN, node.this, text_literal(regular), text_literal("s"))


def _replaced(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Replace by a set of single letters: any other pattern may match another length in PostgreSQL."""
    pattern, by, flags = node.expression, node.args.get("replacement"), node.args.get("modifiers")
    plain = isinstance(pattern, exp.Literal) and re.fullmatch(r"\[[A-Za-z0-9 /,_]+\]|[A-Za-z0-9 /,_]+", pattern.name)
    written = isinstance(by, exp.Literal) and by.is_string and "\\" not in by.name
    every = isinstance(flags, exp.Literal) and flags.name == "g"
    if not (plain and written and _is_text(node.this)) or by is None or (flags is not None and not every):
        return None
    more = [text_literal("g")] if every else []
    return native("regexp_replace", _Type.TEXT, node.this, text_literal(pattern.name), text_literal(by.name), *more)


def _cast(node: exp.Expr, _zone: str) -> exp.Expr | None:
    to, value = node.args["to"], node.this
    if is_proved(node) or not _is_text(value) or isinstance(value, exp.Literal | exp.Null):
        return None
    if to.is_type(_Type.VARCHAR) and len(to.expressions) == 1:
        limit = to.expressions[0].this
        plain = isinstance(limit, exp.Literal) and limit.name.isdigit() and len(limit.name) < 7
        return native("left", _Type.VARCHAR, value, whole_literal(int(limit.name))) if plain else None
    kinds = {_Type.SMALLINT: "SMALLINT", _Type.INT: "INTEGER", _Type.BIGINT: "BIGINT"}
    if to.this in kinds and not to.expressions:
        return cast(call("omnisql_digits", _Type.TEXT, value), kinds[to.this], to.this)
    if to.is_type(_Type.DECIMAL) and not to.expressions:
        return call("omnisql_n_read", _Type.DECIMAL, value)
    return None


def _formatted(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`format` of nothing but %s."""
    form, values = node.this, node.expressions
    if not isinstance(form, exp.Literal) or not form.is_string:
        return None
    pieces = form.name.split("%s")
    if any("%" in piece for piece in pieces) or len(pieces) != len(values) + 1:
        return None
    shown = [value.copy() if isinstance(value, exp.Null) else _text_form(value, ("t", "f")) for value in values]
    known = [value for value in shown if value is not None]
    if len(known) < len(shown):
        return None
    parts = [text_literal(pieces[0])]
    for value, piece in zip(known, pieces[1:], strict=True):
        parts += [value, text_literal(piece)]
    return native("concat", _Type.TEXT, *parts)


def _nothing(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`||` with null is null."""
    sides = (node.this, node.expression)
    if not any(isinstance(side, exp.Null) for side in sides) or not any(_is_text(side) for side in sides):
        return None
    return cast(exp.Null(), "VARCHAR", _Type.TEXT)


def _named(node: exp.Expr, _zone: str) -> exp.Expr | None:
    rule = _NAMED.get(node.name.upper()) if not is_proved(node) else None
    return rule(node, _zone) if rule is not None else None


def _quoted(node: exp.Expr, _zone: str) -> exp.Expr | None:
    value = node.expressions[0] if len(node.expressions) == 1 else None
    if value is None or not _is_text(value):
        return None
    return call(f"omnisql_{node.name.lower()}", _Type.TEXT, value)


_NAMED: Mapping[str, Rule] = {"QUOTE_LITERAL": _quoted, "QUOTE_NULLABLE": _quoted}

TEXT_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys((exp.Concat, exp.ConcatWs), _joined),
    exp.Reverse: _reversed,
    exp.Translate: _translated,
    exp.StrPosition: _position,
    exp.Substring: _substring,
    exp.SplitPart: _split_part,
    exp.Overlay: _overlay,
    exp.Pad: _padded,
    **dict.fromkeys((exp.Left, exp.Right), _ends),
    exp.Chr: _letter,
    exp.BitLength: _bits,
    exp.RegexpLike: _matched,
    exp.SimilarTo: _similar,
    exp.RegexpReplace: _replaced,
    exp.Cast: _cast,
    exp.Format: _formatted,
    exp.DPipe: _nothing,
    exp.Anonymous: _named,
}
"""The rule of each kind of node."""
