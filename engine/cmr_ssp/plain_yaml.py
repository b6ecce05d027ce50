"""YAML as people write settings in it: plain values, lists and groups, each where it stands."""

from __future__ import annotations

from typing import Any

import yaml

_MAX_DEPTH = 30


def load_yaml(text: str) -> Any:
    """Read YAML without tags of programs, and without aliases: nine lines of those make gigabytes.

    Raises
    ------
    yaml.YAMLError
        For anything that cannot be read, such as dates that do not exist.
    """
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise yaml.YAMLError(f"a value that cannot be read: {str(error)[:100]}") from None


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, and nesting deeper than any settings have."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, unless it refers to another or lies too deep."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        if self._depth >= _MAX_DEPTH:
            raise yaml.YAMLError(f"nested more than {_MAX_DEPTH} deep")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a group of settings, unless a key of it is there twice: nobody could tell which counts."""
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({str(value) for tag, value in keys if keys.count((tag, value)) > 1})
        if twice:
            raise yaml.YAMLError(f"'{twice[0]}' is there twice, in line {node.start_mark.line + 1} and below")
        return super().construct_mapping(node, deep)
