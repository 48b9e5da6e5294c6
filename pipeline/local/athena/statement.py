"""A statement of Athena's SQL, taken apart: what it reads and writes, and DuckDB's SQL for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp, parse_one, tokenize
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from pipeline.local.athena.catalog import Table, View
from pipeline.local.athena.errors import QueryFailedError, RequestRefusedError

_READS = (exp.Select, exp.SetOperation, exp.Subquery)
_MAX_VIEW_DEPTH = 16
_MARK = "\x00parameter "  # no statement can hold it: NUL is no SQL text

Find = Callable[[str, str], Table | View]
"""Looks a name up, by database and name."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One place where a table is read, under a name of its own.

    `conditions` are those of the surrounding WHERE that speak of partition keys alone, in DuckDB's
    SQL.
    """

    name: str
    table: Table
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a statement does: the rows that it makes, and the table that they are added to."""

    sql: str
    scans: tuple[Scan, ...]
    target: Table | None


def parse(text: str, parameters: Sequence[str]) -> exp.Expr:
    """Read a statement and put the values of its parameters in.

    Raises:
        RequestRefusedError: It is no statement, of a kind that Athena does not take parameters in,
            or the parameters do not fit.
    """
    marked, count = _marked(text)
    if count != len(parameters):
        raise _malformed(
            f"Incorrect number of parameters: expected {count} but found {len(parameters)}"
        )
    try:
        tree: exp.Expr = parse_one(marked, read="athena")
    except SqlglotError as error:
        raise _malformed(str(error).splitlines()[0]) from error
    if not isinstance(tree, (*_READS, exp.Insert)):
        raise RequestRefusedError(
            "InvalidRequestException",
            f"the local Athena runs SELECT and INSERT INTO, not {tree.key.upper()}",
            "NOT_SUPPORTED",
        )
    for place in list(tree.find_all(exp.Literal)):
        if not (place.is_string and place.name.startswith(_MARK)):
            continue
        if place.find_ancestor(exp.Where) is None:
            # Source: Amazon Athena User Guide, "Use parameterized queries", considerations.
            raise _malformed("a parameter can be placed only in the WHERE clause")
        place.replace(_literal(parameters[int(place.name.removeprefix(_MARK))]))
    return tree


def plan(tree: exp.Expr, database: str, find: Find) -> Plan:
    """Look up what a statement names, put views in place and turn it into DuckDB's SQL.

    Raises:
        QueryFailedError: A name is unknown, or a view leads to itself.
    """
    tree, target = tree.copy(), None
    if isinstance(tree, exp.Insert):
        into = tree.find(exp.Table)
        assert into is not None
        found = find(into.db or database, into.name)
        if isinstance(found, View):
            raise QueryFailedError("NOT_SUPPORTED: Inserting into views is not supported")
        target, tree = found, _with_ctes(tree)
    scans: list[Scan] = []
    tree = _resolved(tree, database, find, scans, 0)
    return Plan(tree.sql(dialect="duckdb"), tuple(scans), target)


def _with_ctes(insert: exp.Insert) -> exp.Expr:
    """Return the query of an INSERT; sqlglot may hold its WITH at the INSERT."""
    query: exp.Expr = insert.expression
    ctes = insert.args.get("with_") or insert.args.get("with")
    if ctes is not None:
        query.set("with_" if "with_" in insert.args else "with", ctes)
    return query


def _resolved(tree: exp.Expr, database: str, find: Find, scans: list[Scan], depth: int) -> exp.Expr:
    if depth > _MAX_VIEW_DEPTH:
        raise QueryFailedError("VIEW_IS_RECURSIVE: View is recursive")
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    holder = exp.Subquery(this=tree)  # so that the root can be replaced as well
    for node in list(tree.find_all(exp.Table)):
        if not isinstance(node.this, exp.Identifier) or (not node.db and node.name.lower() in ctes):
            continue
        found = find((node.db or database).lower(), node.name.lower())
        alias = node.alias or node.name
        if isinstance(found, View):
            inner = parse_one(found.sql, read="athena")
            inner = _resolved(inner, found.database, find, scans, depth + 1)
            node.replace(
                exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias)))
            )
            continue
        name = f"scan_{len(scans)}"
        scans.append(Scan(name, found, tuple(_conditions(node, found, alias))))
        node.replace(
            exp.Table(
                this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(alias))
            )
        )
    result: exp.Expr = holder.this
    return result


def _conditions(node: exp.Table, table: Table, alias: str) -> Iterator[str]:
    """Yield what the WHERE around a scan demands of partition keys alone.

    An outer join may keep rows that it refuses, so only a FROM without joins counts.
    """
    select = node.find_ancestor(exp.Select)
    if select is None or select.args.get("joins") or not select.args.get("where"):
        return
    keys = {key.name for key in table.keys}
    for condition in (
        select.args["where"].this.flatten()
        if isinstance(select.args["where"].this, exp.And)
        else [select.args["where"].this]
    ):
        columns = list(condition.find_all(exp.Column))
        if (
            columns
            and all(c.name.lower() in keys and c.table in {"", alias} for c in columns)
            and not condition.find(exp.Select)
        ):
            bare = condition.copy()
            for column in bare.find_all(exp.Column):
                column.set("table", None)
            yield bare.sql(dialect="duckdb")


def _literal(value: str) -> exp.Expr:
    """Read a parameter: the text of one literal, texts in single quotes."""
    try:
        tree = parse_one(value, read="athena")
    except SqlglotError as error:
        raise _malformed(f"parameter {value!r} is no literal") from error
    inner = tree.this if isinstance(tree, exp.Neg) else tree
    if not isinstance(inner, exp.Literal | exp.Boolean | exp.Null):
        raise _malformed(f"parameter {value!r} is no literal: texts stand in single quotes")
    return tree


def _marked(text: str) -> tuple[str, int]:
    """Put a numbered literal where each parameter stands; the tree does not keep their order."""
    try:
        tokens = tokenize(text, read="athena")
    except SqlglotError as error:
        raise _malformed(str(error).splitlines()[0]) from error
    starts = [token.start for token in tokens if token.token_type is TokenType.PLACEHOLDER]
    parts, end = [], 0
    for number, start in enumerate(starts):
        parts += [text[end:start], f"'{_MARK}{number}'"]
        end = start + 1
    return "".join([*parts, text[end:]]), len(starts)


def _malformed(message: str) -> RequestRefusedError:
    return RequestRefusedError("InvalidRequestException", message, "MALFORMED_QUERY")
