"""Redshift's syntax as sqlglot reads it, with what it lacks, less what it would change."""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.dialects.redshift import Redshift
from sqlglot.parsers.redshift import RedshiftParser
from sqlglot.tokenizer_core import TokenType

from src.json_object import JsonObject
from src.local_cloud.redshift.sql import super_values
from src.local_cloud.redshift.sql.portability import SAME_BY_NAME
from src.sql.refusal import Refusal

# PostgreSQL's own formatting functions, and what sqlglot would make something else of.
_AS_THEY_STAND = frozenset(
    [
        "TO_CHAR",
        "TO_DATE",
        "TO_TIMESTAMP",
        "ADD_MONTHS",
        "JSON_EXTRACT_PATH_TEXT",
        "TO_HEX",
        "DATE_PART",
        *(name.upper() for name in SAME_BY_NAME | super_values.FUNCTIONS),
    ]
)


_QUOTED = frozenset([TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER])
_PREFIXES: JsonObject = {"@": exp.Abs, "|/": exp.Sqrt, "||/": exp.Cbrt}


class RedshiftDialect(Redshift):
    """Redshift as sqlglot reads it, less what it would change on the way."""

    SUPPORTS_USER_DEFINED_TYPES = True  # a type that is unknown is refused by its name

    class Parser(RedshiftParser):
        """Leaves some functions as they stand."""

        FUNCTIONS = {
            name: build
            for name, build in RedshiftParser.FUNCTIONS.items()
            if name not in _AS_THEY_STAND
        }

        def _parse_table(self, *args: Any, **options: Any) -> Any:
            """Read a path with brackets as well, `c.orders[0].items AS o AT n`."""
            if self._match(TokenType.UNPIVOT):
                return self.expression(exp.Pivot(this=self._parse_table(), unpivot=True))
            return self._parse_path() or super()._parse_table(*args, **options)

        def _parse_bitwise(self) -> Any:
            """Read # as well, which is no operator to sqlglot: names of tables begin with it."""
            found = super()._parse_bitwise()
            while self._curr and self._curr.text == "#" and self._curr.token_type not in _QUOTED:
                self._advance()
                later = super()._parse_bitwise()
                found = self.expression(exp.BitwiseXor(this=found, expression=later))
            return found

        def _parse_unary(self) -> Any:
            """Read what stands before a whole sum: @ is no parameter here, but ABS."""
            sign = _PREFIXES.get(self._curr.text) if self._curr else None
            if sign is None or self._curr.token_type in _QUOTED:
                return super()._parse_unary()
            self._advance()
            return self.expression(sign(this=exp.Paren(this=self._parse_term())))

        def _parse_projections(self) -> Any:
            """Read EXCLUDE behind the columns; in quotes it is a name like any other."""
            projections, _ = super(RedshiftParser, self)._parse_projections()
            before = self._prev
            is_name = before.token_type in _QUOTED
            if before.text.upper() == "EXCLUDE" and not is_name and self._curr:
                self._retreat(self._index - 1)  # it was read as the last column, or its alias
            if is_name or not self._match_text_seq("EXCLUDE"):
                return projections, []
            left_out = self._parse_wrapped_csv(self._parse_expression, optional=True)
            last = projections[-1]
            if left_out and isinstance(last, exp.Alias) and last.alias.upper() == "EXCLUDE":
                projections[-1] = last.this.pop()
            return projections, left_out

        def _parse_approximate_count(self) -> Any:
            """Read APPROXIMATE COUNT(...); with a bracket behind it, it is a function's name."""
            if self._curr is None or self._curr.token_type != TokenType.L_PAREN:
                return super()._parse_approximate_count()
            self._retreat(self._index - 1)
            return self._parse_function_call(optional_parens=False)

        def _parse_types(self, *args: Any, **options: Any) -> Any:
            """Read the digits of INTERVAL ... SECOND(3), to refuse them by name."""
            found = super()._parse_types(*args, **options)
            is_interval = isinstance(found, exp.DataType) and isinstance(found.this, exp.Interval)
            if is_interval and self._curr and self._curr.token_type == TokenType.L_PAREN:
                raise Refusal.not_emulated("INTERVAL ... SECOND(digits)")
            return found

        def _parse_path(self) -> Any:
            at, tokens = self._index, self._tokens
            while at + 2 < len(tokens) and tokens[at + 1].token_type == TokenType.DOT:
                at += 2
            following = tokens[at + 1].token_type if at + 1 < len(tokens) else None
            if at == self._index or following != TokenType.L_BRACKET:
                return None
            path = self._parse_column()
            alias = self._parse_table_alias()
            path = exp.Alias(this=path, alias=alias.this if alias else exp.to_identifier("_"))
            if self._match_text_seq("AT"):
                return exp.AtIndex(this=path, expression=self._parse_id_var())
            return path
