"""What Python source computes, without how it is written: two texts that do the same have the same description.

Comments, formatting and strings that stand by themselves, as docstrings do, are left out. Texts that are used, as the
statement of a claim and the description of a parameter, are not. The syntax tree is written out here and not by
`ast.dump`, whose format changes with the version of Python.
"""

import ast
from typing import Any


def meaning(source: str) -> str:
    """The description of a module's source.

    >>> meaning("def f(x):\\n    '''Twice.'''\\n    return (2 * x)  # by two") == meaning("def f(x): return 2*x")
    True
    >>> meaning("def f(x): return 2 * x") == meaning("def f(x): return 3 * x")
    False
    """
    return _written(ast.parse(source))


def _written(part: Any) -> str:
    if isinstance(part, ast.Constant):
        return repr(part.value)
    if isinstance(part, ast.AST):
        # What is empty is not written: later versions of Python have fields that earlier ones have not.
        fields = [(name, value) for name, value in ast.iter_fields(part) if value is not None and value != []]
        return f"{type(part).__name__}({', '.join(f'{name}={_written(value)}' for name, value in fields)})"
    if isinstance(part, list):
        return f"[{', '.join(_written(each) for each in part if not _idle(each))}]"
    return repr(part)


def _idle(part: Any) -> bool:
    """Whether a statement is a string that nobody uses."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)
