"""Functions whose keywords are the options of a command."""

from __future__ import annotations

import inspect
from os import PathLike, fspath
from typing import Any, Callable, Optional, TypeVar, Union

from kseg.core.options import refuse_unused
from kseg.core.values import config_of, fields_of

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")
AnyPath = Union[str, "PathLike[str]"]
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


def configured(cls: type[C], config: Optional[C], values: dict[str, Any]) -> C:
    """`config`, or one of the keywords; not both.

    Raises TypeError for an unknown keyword, InputError for a value that does not fit
    and an option that would have no effect.
    """
    values = {name: value for name, value in values.items() if value is not None}
    if config is None:
        if "json" in values:
            raise TypeError("'json' is for the command line; use the returned object")
        config = config_of(cls, values)
        refuse_unused(config, values)
    elif values:
        raise TypeError(f"give config or keywords, not both: got {', '.join(values)}")
    elif not isinstance(config, cls):
        raise TypeError(f"config is a {cls.__name__}, not {type(config).__name__}")
    else:
        config_of(cls, vars(config))  # the checks of its values
    return config


def text_of_path(path: Any) -> Optional[str]:
    """A path, a Run or a name such as "shapes", as text."""
    return None if path is None else fspath(path)
