"""Signatures and docstrings of functions whose keywords are a command's options."""

from __future__ import annotations

import inspect
from typing import Any, Callable, TypeVar

from kseg.core.values import fields_of

F = TypeVar("F", bound=Callable[..., Any])
LEFT_OUT = ("json",)  # for the command line


def takes_options(cls: type) -> Callable[[F], F]:
    """Decorates a function whose `**options` are the fields of a configuration.

    Editors, notebooks and `help` then list each option with its default and help.
    """

    def describe(function: F) -> F:
        signature = inspect.signature(function)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        named = {parameter.name for parameter in own}
        added, lines = [], []
        for name, (item, hint) in fields_of(cls).items():
            if name in named or name in LEFT_OUT:
                continue
            kind = inspect.Parameter.KEYWORD_ONLY
            hint = getattr(hint, "__supertype__", hint)  # of a NewType
            added.append(
                inspect.Parameter(name, kind, default=item.default, annotation=hint)
            )
            lines.append(f"        {name}: {item.metadata['help']}")
        function.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *added]
        )
        if function.__doc__:  # None under python -OO
            options = "\n".join(["    Options:", "", *lines])
            function.__doc__ = f"{function.__doc__.rstrip()}\n\n{options}\n    "
        return function

    return describe
