"""From a list filter to a condition of the store, with the real server's complaints."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlglot import exp
from temporalio.api.enums.v1 import IndexedValueType, WorkflowExecutionStatus

from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.validation.search_attributes import SearchAttributeTypes
from timeskip.server.visibility.attributes import Attribute, attribute_named, type_name
from timeskip.server.visibility.literals import Value, status_name, stored_value
from timeskip.server.visibility.query_syntax import Query, parse_query
from timeskip.server.visibility.store import Condition

_KEYWORD: Final = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_KEYWORD_LIST: Final = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST
_TEXT: Final = IndexedValueType.INDEXED_VALUE_TYPE_TEXT
_WITHOUT_RANGE: Final = (
    IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    _KEYWORD_LIST,
    _TEXT,
)

_NAMESPACE_DIVISION: Final = "TemporalNamespaceDivision"
_GROUPS: Final = ("ExecutionStatus", _NAMESPACE_DIVISION)

_OPERATORS: Final[dict[type[exp.Expr], str]] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "<=>",
    exp.In: "IN",
    exp.StartsWith: "STARTS_WITH",
    exp.Like: "LIKE",
    exp.RegexpLike: "REGEXP",
}
_EQUALITY: Final = ("=", "!=")
_ORDER: Final = ("<", "<=", ">", ">=")
_MEMBERSHIP: Final = ("IN", "NOT IN")
_PREFIX: Final = ("STARTS_WITH", "NOT STARTS_WITH")

#: What the real server's parser makes of an expression. The first class that fits counts.
_GO_TYPES: Final[tuple[tuple[type[exp.Expr], str], ...]] = (
    (exp.Boolean, "sqlparser.BoolVal"),
    (exp.Literal, "*sqlparser.SQLVal"),
    (exp.Null, "*sqlparser.NullVal"),
    (exp.Column, "*sqlparser.ColName"),
    (exp.Tuple, "sqlparser.ValTuple"),
    (exp.Paren, "*sqlparser.ParenExpr"),
    (exp.Exists, "*sqlparser.ExistsExpr"),
    (exp.Query, "*sqlparser.Subquery"),
    (exp.Case, "*sqlparser.CaseExpr"),
    (exp.Neg, "*sqlparser.UnaryExpr"),
    (exp.Binary, "*sqlparser.BinaryExpr"),
    (exp.Func, "*sqlparser.FuncExpr"),
)


class ListFilter(NamedTuple):
    """What a list filter asks for. `group` is what a count is to be divided by."""

    condition: Condition
    group: Condition | None


def list_filter(query: str, custom: SearchAttributeTypes) -> ListFilter:
    """Read a list filter, or refuse it with INVALID_ARGUMENT.

    `custom` are the search attributes that were added to the namespace.
    """
    return FilterReader(custom).filter(query)


class FilterReader:
    """Reads one list filter."""

    def __init__(self, custom: SearchAttributeTypes) -> None:
        self.custom = custom
        self._named: dict[str, Attribute] = {}

    def filter(self, text: str) -> ListFilter:
        """What the text asks for, or INVALID_ARGUMENT."""
        query = parse_query(text)
        condition, group = self.read(query)
        if query.order_by:
            raise _unsupported("'ORDER BY' clause")
        if _NAMESPACE_DIVISION not in self._named:
            division = attribute_named(_NAMESPACE_DIVISION, self.custom)
            assert division is not None
            condition = condition.both(_is_null(division))
        return ListFilter(condition, group)

    def read(self, query: Query) -> ListFilter:
        """What a parsed filter asks for, but for its order, whose attributes have to be known."""
        if query.has_limit:
            raise _unsupported("'LIMIT' clause")
        condition = Condition("TRUE")
        if query.condition is not None:
            condition = _in_parentheses(self._condition(query.condition))
        group = self._group(query.group_by)
        for ordered in query.order_by:
            attribute = self._attribute(ordered)
            if attribute.type == _TEXT:
                raise _unsupported("unable to sort by search attribute type Text")
        return ListFilter(condition, group)

    def _group(self, expressions: list[exp.Expr]) -> Condition | None:
        if len(expressions) > 1:
            raise _unsupported("'GROUP BY' clause supports only a single field")
        if not expressions:
            return None
        attribute = self._attribute(expressions[0])
        if attribute.name not in _GROUPS:
            raise _unsupported(
                f"'GROUP BY' clause is not supported for search attribute {attribute.alias}"
            )
        return _value_of(attribute)

    def _condition(self, expression: exp.Expr) -> Condition:
        if isinstance(expression, exp.Paren):
            return _in_parentheses(self._condition(expression.this))
        if isinstance(expression, exp.Not):
            return self._negation(expression.this)
        if isinstance(expression, exp.And | exp.Or):
            left = self._condition(expression.left)
            right = self._condition(expression.right)
            word = "AND" if isinstance(expression, exp.And) else "OR"
            return Condition(f"({left.sql} {word} {right.sql})", left.parameters + right.parameters)
        if isinstance(expression, exp.Between):
            return self._range(expression, "BETWEEN")
        if isinstance(expression, exp.Is):
            return self._null_test(expression, negated=False)
        operator = _OPERATORS.get(type(expression))
        if operator is not None:
            negated = expression.args.get("negate")
            return self._comparison(expression, f"NOT {operator}" if negated else operator)
        if isinstance(expression, exp.Column):
            raise _invalid("incomplete expression")
        go_type = _go_type(expression)
        if go_type == "*sqlparser.FuncExpr":
            raise _unsupported("function expression")
        raise _unsupported(f"expression of type {go_type}")

    def _negation(self, expression: exp.Expr) -> Condition:
        """NOT before a condition or, which the parser does not tell apart, before its operator."""
        if isinstance(expression, exp.Is):
            return self._null_test(expression, negated=True)
        if isinstance(expression, exp.Between):
            return self._range(expression, "NOT BETWEEN")
        if isinstance(expression, exp.In | exp.StartsWith | exp.RegexpLike):
            return self._comparison(expression, f"NOT {_OPERATORS[type(expression)]}")
        negated = self._condition(expression)
        return Condition(f"NOT ({negated.sql})", negated.parameters)

    def _null_test(self, expression: exp.Is, *, negated: bool) -> Condition:
        attribute = self._attribute(expression.this)
        if not isinstance(expression.expression, exp.Null):
            raise _invalid("'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'")
        test = _is_null(attribute)
        return Condition(f"NOT ({test.sql})", test.parameters) if negated else test

    def _range(self, expression: exp.Between, operator: str) -> Condition:
        attribute = self._attribute(expression.this)
        if attribute.type in _WITHOUT_RANGE:
            raise _invalid(
                f"cannot do range condition on search attribute '{attribute.alias}' "
                f"of type {type_name(attribute.type)}"
            )
        low = _value(expression.args["low"], attribute)
        high = _value(expression.args["high"], attribute)
        column = _value_of(attribute)
        return Condition(f"{column.sql} {operator} ? AND ?", (*column.parameters, low, high))

    def _comparison(self, expression: exp.Expr, operator: str) -> Condition:
        attribute = self._attribute(expression.this)
        if isinstance(expression, exp.In):
            if expression.args.get("query") is not None:
                raise _invalid("unexpected value type *sqlparser.Subquery")
            right: list[exp.Expr] = expression.expressions
        elif isinstance(expression.expression, exp.Tuple):
            right = expression.expression.expressions
        else:
            right = [expression.expression]
        values = tuple(self.value(each, attribute, operator) for each in right)
        if operator not in _allowed_operators(attribute):
            raise _unsupported(
                f"operator '{operator}' not supported for {type_name(attribute.type)} "
                f"type search attribute '{attribute.alias}'"
            )
        if attribute.type == _KEYWORD_LIST:
            found = Condition(
                "EXISTS (SELECT 1 FROM attribute WHERE run_id = run.run_id AND name = ?"
                f" AND value COLLATE NOCASE IN ({_marks(values)}))",
                (attribute.name, *values),
            )
            negated = operator in ("!=", "NOT IN")
            return Condition(f"NOT {found.sql}", found.parameters) if negated else found
        column = _value_of(attribute)
        if attribute.type == _TEXT:
            word = "NOT " if operator == "!=" else ""
            return Condition(
                f"{word}holds_words({column.sql}, {_marks(values)})", column.parameters + values
            )
        if operator in _PREFIX:
            prefix = _prefix(values[0], operator)
            for special in "!%_":
                prefix = prefix.replace(special, "!" + special)
            word = operator.replace("STARTS_WITH", "LIKE")
            return Condition(
                f"{column.sql} {word} ? ESCAPE '!'", (*column.parameters, prefix + "%")
            )
        marks = f"({_marks(values)})" if len(values) > 1 or operator in _MEMBERSHIP else "?"
        return Condition(f"{column.sql} {operator} {marks}", column.parameters + values)

    def value(self, expression: exp.Expr, attribute: Attribute, operator: str) -> Value:
        """What an attribute is compared with, as the store has it."""
        return _value(expression, attribute)

    def attribute(self, alias: str) -> Attribute | None:
        """The attribute of that name, if there is one."""
        return attribute_named(alias, self.custom)

    def _attribute(self, expression: exp.Expr) -> Attribute:
        if not isinstance(expression, exp.Column):
            raise _invalid(f"must be a column name but was {_go_type(expression)}")
        alias = ".".join(part.name for part in expression.parts)
        attribute = self.attribute(alias)
        if attribute is None:
            raise invalid_argument(f"invalid query: invalid search attribute: {alias}")
        self._named[attribute.name] = attribute
        return attribute


def _allowed_operators(attribute: Attribute) -> tuple[str, ...]:
    if attribute.type == _TEXT:
        return _EQUALITY
    if attribute.type == _KEYWORD_LIST:
        return _EQUALITY + _MEMBERSHIP
    if attribute.type == _KEYWORD:
        return _EQUALITY + _ORDER + _MEMBERSHIP + _PREFIX
    return _EQUALITY + _ORDER + _MEMBERSHIP


def _value(expression: exp.Expr, attribute: Attribute) -> Value:
    if isinstance(expression, exp.Literal):
        value = expression.name if expression.is_string else _number(expression.name)
        return stored_value(attribute, value)
    if isinstance(expression, exp.Boolean):
        return stored_value(attribute, bool(expression.this))
    if isinstance(expression, exp.Neg):
        negated = expression.this
        if not isinstance(negated, exp.Literal) or negated.is_string:
            raise _invalid(f'unary operator not supported in "{expression.sql()}"')
        return stored_value(attribute, -_number(negated.name))
    if isinstance(expression, exp.Column):
        raise _unsupported(
            "column name on the right side of comparison expression "
            f'(did you forget to quote "{expression.sql(dialect="mysql")}"?)'
        )
    if isinstance(expression, exp.HexString):
        raise _invalid(f'unable to parse value "0x{expression.name}"')
    if isinstance(expression, exp.Placeholder):
        name = "v1" if expression.name == "?" else expression.name
        raise _invalid(f'unable to parse value ":{name}"')
    go_type = _go_type(expression)
    if go_type == "*sqlparser.FuncExpr":
        raise _unsupported("nested func")
    raise _invalid(f"unexpected value type {go_type}")


def _prefix(value: Value, operator: str) -> str:
    if isinstance(value, str):
        return value
    status = status_name(WorkflowExecutionStatus.ValueType(int(value)))
    raise _invalid(
        f'right-hand side of "{operator.lower()}" operator must be a literal string (got: {status})'
    )


def _number(text: str) -> int | float:
    if text.isdecimal() and int(text) < 2**63:
        return int(text)
    return float(text)


def _value_of(attribute: Attribute) -> Condition:
    if attribute.column:
        return Condition(attribute.column)
    return Condition(
        "(SELECT value FROM attribute WHERE run_id = run.run_id AND name = ?)", (attribute.name,)
    )


def _is_null(attribute: Attribute) -> Condition:
    value = _value_of(attribute)
    return Condition(f"{value.sql} IS NULL", value.parameters)


def _in_parentheses(condition: Condition) -> Condition:
    return Condition(f"({condition.sql})", condition.parameters)


def _marks(values: tuple[Value, ...]) -> str:
    return ", ".join("?" * len(values))


def _go_type(expression: exp.Expr) -> str:
    for kind, name in _GO_TYPES:
        if isinstance(expression, kind):
            return name
    return "*sqlparser.UnaryExpr"


def _invalid(message: str) -> ServiceError:
    return invalid_argument(f"invalid query: invalid expression: {message}")


def _unsupported(message: str) -> ServiceError:
    return invalid_argument(f"invalid query: operation is not supported: {message}")
