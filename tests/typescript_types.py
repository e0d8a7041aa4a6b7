"""Reading declarations of TypeScript types, as far as clients of vendors write the parameters of requests with them.

Text in, types out: objects, references, unions, intersections, lists and literals. What else a type can be (functions,
conditions, templates) is read over and says nothing of values. After the TypeScript handbook, "Object types".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`|[A-Za-z_$][\w$]*|-?\d[\w.]*|=>|\.\.\.|\S',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Object:
    """Members by name."""

    members: Mapping[str, Type]


@dataclass(frozen=True, slots=True)
class Named:
    """A reference by name, with what stands in `<>` and in `[]` behind it."""

    name: str
    arguments: tuple[Type, ...] = ()
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """One text."""

    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Types joined by `|`, or by `&` where `is_both`."""

    parts: tuple[Type, ...]
    is_both: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A list."""

    item: Type


Type = Object | Named | Literal | Parts | Listed
ANYTHING = Named("unknown")


@dataclass(slots=True)
class Declarations:
    """Types by name; of a name that is not here, `outer` may know more."""

    types: dict[str, Type] = field(default_factory=dict)
    outer: Declarations | None = None

    def __getitem__(self, name: str) -> Type | None:
        if name in self.types:
            return self.types[name]
        return self.outer[name] if self.outer is not None else None

    def members(self, of: Type | None) -> dict[str, Type]:
        """Return all members that a value of a type may have."""
        found: dict[str, Type] = {}
        if isinstance(of, Object):
            found.update(of.members)
        elif isinstance(of, Parts):
            for part in of.parts:
                found |= self.members(part)
        elif isinstance(of, Named):
            found = self.members(self._named(of))
            if of.arguments and not found:
                # Omit, Partial and others like them, a package's own included, have those of what they are made of.
                found = self.members(of.arguments[0])
        return found

    def values(self, of: Type | None) -> list[str]:
        """Return the closed set of texts that a value, or each of a list, is one of; empty where any may be."""
        if isinstance(of, Literal):
            return [of.text]
        if isinstance(of, Listed):
            return self.values(of.item)
        if isinstance(of, Named):
            return self.values(self._named(of))
        if isinstance(of, Parts) and not of.is_both:
            each = [self.values(part) for part in of.parts if part not in (Named("undefined"), Named("null"))]
            return [text for texts in each for text in texts] if all(each) else []
        return []

    def _named(self, of: Named) -> Type | None:
        found = self[of.name]
        for index in of.indexes:
            found = self.members(found).get(index)
        return found


def declarations(text: str, outer: Declarations | None = None) -> Declarations:
    """Read what a text declares as `interface`, `type` and `enum`."""
    read = Declarations(outer=outer)
    reader = _Reader(text)
    while reader.at < len(reader.tokens):
        word = reader.take()
        if word in {"interface", "enum"}:
            name = reader.take()
            read.types[name] = reader.interface() if word == "interface" else reader.enumeration()
        elif word == "type" and reader.peek(1) in {"=", "<"} and reader.peek()[0].isalpha():
            name = reader.take()
            reader.parameters()
            reader.want("=")
            read.types[name] = reader.union()
    return read


class _Reader:
    """Where in a text's words one is."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = [each for each in _TOKEN.findall(text) if not each.startswith(("/*", "//"))]
        self.at = 0

    def peek(self, further: int = 0) -> str:
        at = self.at + further
        return self.tokens[at] if at < len(self.tokens) else ""

    def take(self) -> str:
        if self.at == len(self.tokens):
            raise ValueError("the text ends within a declaration")
        self.at += 1
        return self.tokens[self.at - 1]

    def want(self, word: str) -> None:
        found = self.take()
        if found != word:
            raise ValueError(f"{word} is wanted, found {found} after {self.tokens[self.at - 8 : self.at - 1]}")

    def skip(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.at += 1
        return True

    def interface(self) -> Type:
        self.parameters()
        parts: list[Type] = []
        if self.skip("extends"):
            parts.append(self.one())
            while self.skip(","):
                parts.append(self.one())
        return Parts((*parts, self.object()), is_both=True)

    def enumeration(self) -> Type:
        self.want("{")
        members: list[Type] = []
        while not self.skip("}"):
            name = self.take()
            members.append(Literal(_text(self.take()) if self.skip("=") else name))
            self.skip(",")
        return Parts(tuple(members))

    def union(self) -> Type:
        self.skip("|")
        found = [self.intersection()]
        while self.skip("|"):
            found.append(self.intersection())
        return found[0] if len(found) == 1 else Parts(tuple(found))

    def intersection(self) -> Type:
        self.skip("&")
        found = [self.one()]
        while self.skip("&"):
            found.append(self.one())
        return found[0] if len(found) == 1 else Parts(tuple(found), is_both=True)

    def one(self) -> Type:
        while self.peek() in {"readonly", "keyof", "typeof", "unique", "infer"}:
            self.take()
        found = self.plain()
        while self.peek() == "[":
            self.take()
            if self.skip("]"):
                found = Listed(found)
                continue
            index = self.union()
            self.want("]")
            known = isinstance(found, Named) and isinstance(index, Literal)
            found = Named(found.name, found.arguments, (*found.indexes, index.text)) if known else ANYTHING  # type: ignore[union-attr]
        if self.skip("extends"):
            self.union()
            for sign in "?:":
                self.want(sign)
                self.union()
            return ANYTHING
        return found

    def plain(self) -> Type:
        word = self.peek()
        if word == "{":
            return self.object()
        if word == "(":
            return self.parenthesized()
        if word == "[":
            return self.fixed()
        self.take()
        if word[:1] in "\"'":
            return Literal(_text(word))
        if re.fullmatch(r"-?\d.*|true|false", word):
            return Literal(word)
        while self.skip("."):
            word = self.take()
        arguments = self.arguments()
        if word in {"Array", "ReadonlyArray"} and arguments:
            return Listed(arguments[0])
        return Named(word, arguments)

    def parenthesized(self) -> Type:
        start = self.at
        self.pass_parentheses()
        if self.skip("=>"):
            self.union()
            return ANYTHING
        self.at = start + 1
        found = self.union()
        self.want(")")
        return found

    def pass_parentheses(self) -> None:
        depth = 0
        while depth or self.peek() == "(":
            depth += {"(": 1, ")": -1}.get(self.take(), 0)

    def fixed(self) -> Type:
        self.want("[")
        items: list[Type] = []
        while not self.skip("]"):
            self.skip("...")
            items.append(self.union())
            self.skip(",")
        return Listed(Parts(tuple(items)))

    def arguments(self) -> tuple[Type, ...]:
        if not self.skip("<"):
            return ()
        found: list[Type] = []
        while not self.skip(">"):
            found.append(self.union())
            self.skip(",")
        return tuple(found)

    def parameters(self) -> None:
        """Read over the parameters of a declaration, with what they extend and are without being given."""
        if self.skip("<"):
            while not self.skip(">"):
                self.take()
                while self.peek() in {"extends", "="}:
                    self.take()
                    self.union()
                self.skip(",")

    def object(self) -> Type:
        self.want("{")
        members: dict[str, Type] = {}
        while not self.skip("}"):
            for name, kind in self.member():
                members[name] = kind
            while self.peek() in {";", ","}:
                self.take()
        return Object(members)

    def member(self) -> Iterator[tuple[str, Type]]:
        while self.peek() == "readonly" and self.peek(1) not in {":", "?"}:
            self.take()
        if self.peek() == "[":
            while self.take() != "]":
                pass
            self.skip("?")
            self.want(":")
            self.union()
            return
        name = "" if self.peek() in {"(", "<"} else _text(self.take())
        self.skip("?")
        if self.peek() in {"(", "<"}:
            self.parameters()
            self.pass_parentheses()
            if self.skip(":"):
                self.union()
            return
        self.want(":")
        yield name, self.union()


def _text(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[:1] in "\"'" else word
