"""Figures' formulas: arithmetic over named inputs in exact decimals, and nothing else."""

from __future__ import annotations

import ast
import re
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

EXACT = Context(prec=50, rounding=ROUND_HALF_UP)
SHOWN = 200  # characters of a formula in a diagnosis
_NAME = re.compile(r"[A-Za-z_]\w*")


class FormulaError(ValueError):
    """A formula that is not plain arithmetic over its inputs."""


def evaluate(formula: str, inputs: dict[str, Decimal]) -> Decimal:
    """The value of a formula of names, numbers, + - * / ( ), sum, abs and round. Raises FormulaError."""
    shown = formula if len(formula) <= SHOWN else f"{formula[:SHOWN]}…"
    try:
        tree = _exact(formula.strip())
        with localcontext(EXACT):
            return _value(tree.body, inputs)
    except (RecursionError, MemoryError) as error:
        raise FormulaError(f"{shown!r} is too long; sum(a, b, c) adds up as many as there are") from error
    except ArithmeticError as error:
        raise FormulaError(f"{shown!r} cannot be computed: {type(error).__name__}") from error
    except FormulaError:
        raise
    except (SyntaxError, ValueError) as error:
        raise FormulaError(f"{shown!r} is not a formula") from error


def names(formula: str) -> set[str]:
    """The names in a formula."""
    return set(_NAME.findall(formula))


def _exact(formula: str) -> ast.Expression:
    """The formula with its decimal numbers as they are written: a float would keep 16 digits of them."""
    tree = ast.parse(formula, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            node.kind = ast.get_source_segment(formula, node)
    return tree


def _value(node: ast.expr, inputs: dict[str, Decimal]) -> Decimal:
    match node:
        case ast.Name(id=name) if name in inputs:
            return inputs[name]
        case ast.Constant(value=int() as number):
            return Decimal(number)
        case ast.Constant(value=float(), kind=str() as written):
            return Decimal(written)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, inputs)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, inputs), _value(right, inputs)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
        case ast.Call(func=ast.Name(id="sum"), args=args, keywords=[]) if args:
            return sum((_value(a, inputs) for a in args), Decimal(0))
        case ast.Call(func=ast.Name(id="abs"), args=[only], keywords=[]):
            return abs(_value(only, inputs))
        case ast.Call(func=ast.Name(id="round"), args=[value, ast.Constant(value=int() as places)], keywords=[]):
            return _value(value, inputs).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    raise FormulaError(f"{ast.unparse(node)!r} is not allowed in a formula")


def rename(formula: str, names: dict[str, str]) -> str:
    """The formula with its inputs under other names."""
    return _NAME.sub(lambda m: names.get(m[0], m[0]), formula)
