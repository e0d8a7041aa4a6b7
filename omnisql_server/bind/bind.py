"""Bind one statement: PostgreSQL describes it, names and locks are compared, privileges read, constants folded.

One flush on the session's backend answers everything for a statement seen before; a new one needs two or three more.
What does not depend on the moment is kept as a template by the text's shape; privileges, settings, locks and constants
never are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from omnisql_server.bind import questions
from omnisql_server.bind.fold import (
    FoldedTree,
    blank_literals,
    constant_fillings,
    extract_constants,
    fold_sql,
    literal_fillings,
    parameter_fillings,
)
from omnisql_server.bind.owners import owner_reads, reads_api_as_owner
from omnisql_server.bind.privileges import Reading, privilege_checks, readings_of
from omnisql_server.bind.resolve import Closure, close_over, names_of, verify
from omnisql_server.bind.system_columns import refuse_system_columns
from omnisql_server.bind.tree import NotQualified, coarse_occurrences, placed, placed_readings, qualify_query
from omnisql_server.errors import InsufficientPrivilege
from omnisql_server.model.backend import Answer, Ask, Backend, DescribePrepared, Prepare, Prepared, Question, Rows
from omnisql_server.model.meaning import FOLDED, Filling, Form, Meaning, with_literals
from omnisql_server.model.query import BoundQuery, Check, Occurrence, ParsedQuery, Settings
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.statement import NewRelation, Statement

PRIVATE_NAME = "omnisql_q"
FOUND = Rows(rows=(("t",),))
Constant = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BindRequest:
    """What bind needs: the query, the parameter types the client gave, and its values in text form once known.

    With `generic`, it is also said what the query means without those values. `twin` names the private
    statement kept on the backend; `described` says that it is there already.
    """

    parsed: ParsedQuery
    type_oids: tuple[int, ...] = ()
    parameters: Callable[[tuple[int, ...]], Sequence[Constant] | None] | None = None
    twin: str | None = None
    described: bool = False
    generic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """What texts of a shape mean as long as names, the catalog's sequence and the role are the same.

    `lasts` says that the same parameters and settings give the same tree at every moment. `blanked` are the literals of
    the form's blanks, with their marks.
    """

    key: tuple[object, ...]
    closure: Closure
    folded: FoldedTree | None
    reason: str
    occurrences: tuple[Occurrence, ...]
    checks: tuple[Check, ...]
    has_parameters: bool
    lasts: bool = False
    readings: tuple[Reading, ...] = ()
    form: Form | None = None
    blanked: Mapping[str, exp.Literal] = field(default_factory=dict)
    derived: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    """A template's form with values, and what was derived from it."""

    meaning: Meaning
    derived: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What one flush said."""

    prepared: Prepared
    sequence: int
    search_path: str
    settings: Settings
    locked_before: frozenset[int]
    locked: frozenset[int]
    oids: tuple[int | None, ...]
    denied: tuple[Check, ...]
    constants: tuple[Constant, ...] | None


class Binder:
    """Binds the statements of one tenant; `api_relations` gives the OIDs of its API tables as last seen."""

    def __init__(
        self,
        *,
        parse_query: Callable[[str], ParsedQuery],
        api_wrappers: Callable[[], frozenset[str]],
        api_relations: Callable[[], frozenset[int]],
        templates_max: int = 2048,
        instances_max: int = 1024,
    ) -> None:
        self._parse_query = parse_query
        self._api_wrappers = api_wrappers
        self._api_relations = api_relations
        self._templates: OrderedDict[tuple[object, ...], _Template] = OrderedDict()
        self._templates_max = templates_max
        self._instances: OrderedDict[tuple[object, ...], _Instance] = OrderedDict()
        self._instances_max = instances_max

    async def bind(self, request: BindRequest, backend: Backend) -> BoundQuery:
        """Resolve, check and fold one query.

        Raises:
            BackendError: PostgreSQL refuses the statement, with its own words.
            InsufficientPrivilege: a GRANT is missing (42501).
            NotSupported: a local relation has to be read with another's rights, and cannot be (0A000).
            InternalError: what was found is not what PostgreSQL locked (XX000).
        """
        guess_key = ((request.parsed.shape or request.parsed).text, request.type_oids)
        guess = self._templates.get(guess_key)
        moment = await self._flush(request, guess, backend)
        key = (moment.sequence, moment.search_path, moment.settings.current_user, moment.oids)
        template = guess if guess is not None and guess.key == key else None
        denied = moment.denied
        if template is None:
            template = await self._template(request.parsed, key, moment, backend)
            if template is None:
                return await self.bind(replace(request, parsed=self._parse_query(request.parsed.text)), backend)
            answer = (await backend.ask(questions.ask_privileges(template.checks)))[0]
            denied = questions.denied(template.checks, answer)
            if not backend.in_transaction_block and not template.closure.reads_temporary:
                self._remember(guess_key, template)
        if missing := next((check for check in denied if not check.view), None):
            raise _privilege_error(missing, template.closure)
        verify(template.closure, moment.locked_before, moment.locked, self._api_relations())
        bound = await self._bound(request, template, moment, backend, template is guess)
        readings = placed_readings(template.readings, request.parsed)
        apart = owner_reads(readings, frozenset(denied), bound)
        return replace(bound, as_owners=apart, shields=bool(apart.reads) or reads_api_as_owner(readings, bound))

    async def api_target(self, statement: Statement, backend: Backend) -> tuple[Relation, Relation] | None:
        """Return the first relation written to through which an API table is reached, and that table."""
        names = tuple((each.schema, each.name) for each in statement.references if each.target)
        if statement.creates or not names:
            return None
        for name in dict.fromkeys(names):
            closure = await self._close_over((name,), backend)
            api = next((each for each in closure.relations if each.kind is RelationKind.API), None)
            if api is not None:
                return closure.by_name[name], api
        return None

    async def exists(self, made: NewRelation, backend: Backend) -> bool:
        """Say whether there is a relation already where a statement would make one."""
        return (await backend.ask(questions.ask_exists(made.schema, made.name, temporary=made.temporary)))[0] == FOUND

    async def reaches_api(self, statement: Statement, backend: Backend) -> bool:
        """Say whether a statement that is not a query names a relation through which an API table is reached."""
        names = tuple(dict.fromkeys((reference.schema, reference.name) for reference in statement.references))
        return (await self._close_over(names, backend)).reaches_api

    async def _close_over(self, names: tuple[tuple[str | None, str], ...], backend: Backend) -> Closure:
        answer = (await backend.ask(questions.ask_resolve(names)))[0]
        oids = tuple(int(row[0]) if row[0] else None for row in questions.rows_of(answer))
        return await close_over(names, oids, backend, self._parse_query, self._api_wrappers())

    async def _flush(self, request: BindRequest, guess: _Template | None, backend: Backend) -> _Moment:
        parsed = request.parsed
        describe = DescribePrepared(name=request.twin) if request.described and request.twin else _prepare(request)
        # Locks of earlier statements in the same transaction, implicit or not, are told apart from this one's.
        asked: list[Question] = [
            Ask(sql=questions.LOCKED),
            describe,
            Ask(sql=questions.STATE),
        ]
        if parsed.deferred_text:
            # Of CREATE TABLE AS and DECLARE, PostgreSQL locks only what the text names, not what its views read.
            asked.append(Prepare(name=PRIVATE_NAME, sql=parsed.deferred_text, type_oids=request.type_oids))
        asked.append(Ask(sql=questions.LOCKED))
        asked.append(questions.ask_resolve(names_of(parsed)))
        if guess is not None:
            asked.append(questions.ask_privileges(guess.checks))
        folds = guess is not None and guess.folded is not None and guess.folded.constants and not guess.has_parameters
        if folds and guess is not None and guess.folded is not None:
            asked.append(Ask(sql=fold_sql(_constants_of(guess.folded, parsed), ())))
        answers: list[Answer] = await backend.ask(*asked)
        locked_before = questions.read_oids(answers.pop(0))
        if parsed.deferred_text:
            del answers[2]
        sequence, search_path, settings = questions.read_state(answers[1])
        return _Moment(
            prepared=questions.prepared_of(answers[0]),
            sequence=sequence,
            search_path=search_path,
            settings=settings,
            locked_before=locked_before,
            locked=questions.read_oids(answers[2]),
            oids=tuple(int(row[0]) if row[0] else None for row in questions.rows_of(answers[3])),
            denied=questions.denied(guess.checks, answers[4]) if guess is not None else (),
            constants=_constants(answers[5]) if folds else None,
        )

    async def _template(
        self, query: ParsedQuery, key: tuple[object, ...], moment: _Moment, backend: Backend
    ) -> _Template | None:
        """Work out what texts of a query's shape mean; None where the shape hides what matters."""
        parsed = query.shape or query
        closure = await close_over(names_of(parsed), moment.oids, backend, self._parse_query, self._api_wrappers())
        refuse_system_columns(parsed, closure)
        readings = readings_of(parsed, closure, moment.settings.current_user)
        checks = privilege_checks(readings)
        try:
            qualified = qualify_query(parsed, closure)
        except NotQualified as reason:
            return _Template(
                key=key,
                closure=closure,
                folded=None,
                reason=str(reason),
                occurrences=coarse_occurrences(parsed, closure),
                checks=checks,
                has_parameters=False,
                readings=readings,
            )
        folded = extract_constants(qualified.tree)
        blanked = blank_literals(folded, query.literals)
        if blanked is None:
            return None
        return _Template(
            key=key,
            closure=closure,
            folded=folded,
            reason="",
            occurrences=qualified.occurrences,
            checks=checks,
            readings=readings,
            lasts=not folded.moves,
            form=Form(folded.tree),
            blanked=blanked,
            has_parameters=any(tree.find(exp.Parameter) for tree in (folded.tree, *folded.constants)),
        )

    async def _bound(
        self, request: BindRequest, template: _Template, moment: _Moment, backend: Backend, guessed: bool
    ) -> BoundQuery:
        instance, reason = None, template.reason
        if template.folded is not None and template.form is not None:
            given = request.parameters
            parameters = given(moment.prepared.parameter_oids) if given and template.has_parameters else ()
            if parameters is None:
                reason = "a parameter has a type that only PostgreSQL understands"
            else:
                constants = moment.constants if guessed else None
                if constants is None and template.folded.constants and (parameters or not template.has_parameters):
                    sql = fold_sql(_constants_of(template.folded, request.parsed), parameters)
                    constants = _constants((await backend.ask(Ask(sql=sql)))[0])
                instance = self._instance(template, template.form, request.parsed, parameters, constants or ())
        return BoundQuery(
            parsed=request.parsed,
            meaning=instance.meaning if instance is not None else None,
            reason=reason,
            occurrences=placed(template.occurrences, request.parsed),
            relations=template.closure.by_name,
            views=template.closure.views,
            parameter_oids=moment.prepared.parameter_oids,
            fields=moment.prepared.fields or (),
            settings=moment.settings,
            catalog_sequence=moment.sequence,
            returns_rows=moment.prepared.fields is not None,
            origin=template.derived if instance is not None and template.lasts else None,
            derived=instance.derived if instance is not None else template.derived if template.folded is None else {},
            unvalued=(
                _unvalued(template, instance.meaning, request.parsed)
                if request.generic and instance is not None
                else None
            ),
        )

    def _instance(
        self,
        template: _Template,
        form: Form,
        parsed: ParsedQuery,
        parameters: Sequence[Constant],
        constants: tuple[Constant, ...],
    ) -> _Instance:
        """Put the parameters, literals and this moment's constants into a template's form."""
        key = (form, tuple(parameters), constants, parsed.literals)
        known = self._instances.get(key)
        if known is None:
            fillings = {
                **parameter_fillings(parameters),
                **constant_fillings(constants),
                **literal_fillings(template.blanked, parsed.literals),
            }
            known = self._instances[key] = _Instance(meaning=Meaning(form, fillings))
        self._instances.move_to_end(key)
        if len(self._instances) > self._instances_max:
            self._instances.popitem(last=False)
        return known

    def _remember(self, key: tuple[object, ...], template: _Template) -> None:
        self._templates[key] = template
        self._templates.move_to_end(key)
        if len(self._templates) > self._templates_max:
            self._templates.popitem(last=False)


def _unvalued(template: _Template, meaning: Meaning, parsed: ParsedQuery) -> Meaning:
    """Return a meaning without the values of parameters: constants made of them are written out."""
    constants = _constants_of(template.folded, parsed) if template.folded is not None else ()
    written = {
        f"{FOLDED}{place}": Filling(type_sql="", text=None, node=constant)
        for place, constant in enumerate(constants)
        if constant.find(exp.Parameter)
    }
    kept = {name: each for name, each in meaning.fillings.items() if not name.startswith("$")}
    return Meaning(meaning.form, kept | written)


def _constants_of(folded: FoldedTree, parsed: ParsedQuery) -> tuple[exp.Expr, ...]:
    """Return a template's constants with a text's own literals in them."""
    return tuple(with_literals(constant, parsed.literals) for constant in folded.constants)


def _prepare(request: BindRequest) -> Prepare:
    name = request.twin or PRIVATE_NAME
    return Prepare(name=name, sql=request.parsed.text, type_oids=request.type_oids, keep=request.twin is not None)


def _constants(answer: Answer) -> tuple[Constant, ...]:
    row = questions.rows_of(answer)[0]
    return tuple((row[index] or "text", row[index + 1]) for index in range(0, len(row), 2))


_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence"}


def _privilege_error(denied: Check, closure: Closure) -> InsufficientPrivilege:
    relation = next(relation for relation in closure.relations if relation.oid == denied.relation_oid)
    return InsufficientPrivilege(
        message=f"permission denied for {_KINDS.get(relation.relkind, 'table')} {relation.name}"
    )
