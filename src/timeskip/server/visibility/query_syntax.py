"""The grammar of a list filter: MySQL's conditions, with STARTS_WITH.

The real server's parser reads the filter as the end of a SELECT statement, and its messages count
characters from the beginning of that statement.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parser import binary_range_parser
from sqlglot.parsers.mysql import MySQLParser

from timeskip.server.errors import ServiceError, invalid_argument

_STATEMENT: Final = "select * from {} "
_NOT_CONDITIONS: Final = ("order by", "group by")

_NEVER_FIRST: Final = (TokenType.AND, TokenType.OR, TokenType.EQ, TokenType.LIMIT)

#: Pairs that sqlglot makes something of.
_NEVER_NEXT: Final = (
    (TokenType.STRING, TokenType.STRING),
    (TokenType.COMMA, TokenType.R_PAREN),
    (TokenType.AND, TokenType.AND),
    (TokenType.AND, TokenType.OR),
    (TokenType.OR, TokenType.AND),
    (TokenType.OR, TokenType.OR),
)

_NEVER_LAST: Final = (TokenType.GROUP_BY, TokenType.ORDER_BY)

#: Tokens that the real server's messages do not show.
_SILENT: Final = frozenset("()=<>!,;+-*/")


class Query(NamedTuple):
    """The parts of a list filter."""

    condition: exp.Expr | None
    group_by: list[exp.Expr]
    order_by: list[exp.Expr]
    has_limit: bool


class _ListFilter(MySQL):
    class Tokenizer(MySQL.Tokenizer):
        # There is no type of token for this operator; GLOB is one that MySQL does not have.
        KEYWORDS = {  # noqa: RUF012 - the base class's own way of being configured
            **{word: kind for word, kind in MySQL.Tokenizer.KEYWORDS.items() if word != "GLOB"},
            "STARTS_WITH": TokenType.GLOB,
        }

    class Parser(MySQLParser):
        RANGE_PARSERS = {  # noqa: RUF012
            **MySQLParser.RANGE_PARSERS,
            TokenType.GLOB: binary_range_parser(exp.StartsWith),
        }


def parse_query(text: str, table: str = "table1") -> Query:
    """Parse a list filter, or refuse it with INVALID_ARGUMENT.

    `table` has as many characters as the name that the real server's statement has for its table.
    """
    text = text.strip()
    prefix = "" if not text or text.lower().startswith(_NOT_CONDITIONS) else "where "
    statement = _STATEMENT.format(table) + prefix + text
    dialect = _ListFilter()
    try:
        tokens = dialect.tokenize(statement)
    except SqlglotError:
        opening = max(statement.rfind(quote) for quote in "'\"`")
        near = statement[opening + 1 :]
        raise _malformed(len(statement), near) from None
    _refuse_foreign_tokens(tokens)
    parser = dialect.parser(error_level=ErrorLevel.IMMEDIATE)
    try:
        (select,) = parser.parse(tokens, statement)
    except SqlglotError as error:
        raise _malformed_by(error, statement, tokens) from None
    except RecursionError:
        raise _malformed(len(statement), "") from None
    if not isinstance(select, exp.Select):
        raise _malformed(len(statement), "")
    where, group, order = (select.args.get(clause) for clause in ("where", "group", "order"))
    return Query(
        condition=where.this if where else None,
        group_by=list(group.expressions) if group else [],
        order_by=[ordered.this for ordered in order.expressions] if order else [],
        has_limit=bool(select.args.get("limit")),
    )


def _refuse_foreign_tokens(tokens: list[Token]) -> None:
    """Refuse what sqlglot reads, or blames on another token, unlike the real server's parser."""
    first = len(_STATEMENT.split()) + 1
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if index == first and token.token_type in _NEVER_FIRST:
            raise _malformed_at(token)
        if following is None:
            if token.token_type in _NEVER_LAST:
                raise _malformed(token.end + 1, "")
        elif (token.token_type, following.token_type) in _NEVER_NEXT or (
            token.token_type == TokenType.IS and following.text.upper() == "UNKNOWN"
        ):
            raise _malformed_at(following)
        if token.token_type == TokenType.SEMICOLON and following is not None:
            raise _malformed_at(following)
        if token.token_type == TokenType.EQ and token.text == "==":
            raise _malformed_at(token)
        if token.token_type == TokenType.IN and following is not None:
            if following.token_type != TokenType.L_PAREN:
                raise _malformed_at(following)
            if index + 2 < len(tokens) and tokens[index + 2].token_type == TokenType.R_PAREN:
                raise _malformed_at(tokens[index + 2])


def _malformed_by(error: SqlglotError, statement: str, tokens: list[Token]) -> ServiceError:
    """sqlglot blames the last token for what is missing after it, the real server the end."""
    details: dict[str, Any] = getattr(error, "errors", [{}])[0]
    blamed = next((token for token in tokens if token.end + 1 == details.get("col")), None)
    if blamed is None or (
        blamed is tokens[-1] and "Unexpected token" not in str(details.get("description"))
    ):
        return _malformed(len(statement), "")
    return _malformed_at(blamed)


def _malformed_at(token: Token) -> ServiceError:
    if token.token_type in _NEVER_LAST:
        # One token of two words: the real server's parser stops at the first.
        word = token.text.split()[0]
        return _malformed(token.start + len(word), word.lower())
    if token.token_type in (TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING):
        near = token.text
    else:
        near = "" if _SILENT.issuperset(token.text) else token.text.lower()
    return _malformed(token.end + 1, near)


def _malformed(end: int, near: str) -> ServiceError:
    shown = f" near '{near}'" if near else ""
    return invalid_argument(
        f"invalid query: malformed SQL query: syntax error at position {end + 1}{shown}"
    )
