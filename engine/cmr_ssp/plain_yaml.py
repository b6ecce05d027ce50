"""Safe loading of YAML settings: plain values, lists and mappings, without tags and aliases."""

from __future__ import annotations

from typing import Any

import yaml

_MAX_DEPTH = 30


def load_yaml(text: str) -> Any:
    """Load YAML without custom tags and aliases; nested aliases can expand to gigabytes.

    Raises
    ------
    yaml.YAMLError
        If anything cannot be read, such as an invalid date.
    """
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise yaml.YAMLError(f"a value that cannot be read: {str(error)[:100]}") from None


class _PlainLoader(yaml.SafeLoader):
    """Loader that refuses aliases, duplicate keys and deep nesting."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node; refuse aliases and deep nesting."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        if self._depth >= _MAX_DEPTH:
            raise yaml.YAMLError(f"nested more than {_MAX_DEPTH} levels deep")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping; refuse duplicate keys."""
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({str(value) for tag, value in keys if keys.count((tag, value)) > 1})
        if twice:
            raise yaml.YAMLError(
                f"the key '{twice[0]}' is duplicated, in line {node.start_mark.line + 1} and below"
            )
        return super().construct_mapping(node, deep)
