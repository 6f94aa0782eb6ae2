"""Checks the arguments of tool calls against JSON Schemas (2020-12) before a client acts on them."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
from jsonschema import Draft202012Validator
from referencing import Registry

from yumen import Decision, Exchange, Manifest, Plugin, Rule, ToolCall

LOCAL = Registry[Any]()  # with a registry of its own no `$ref` is fetched from anywhere


class ToolSchemaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tools: Annotated[dict[str, Any], msgspec.Meta(description="A JSON Schema for each tool that may be called.")]


class ToolSchema(Plugin[ToolSchemaConfig]):
    """Without `stream`, streamed replies are held back for `on_response`, so that no client acts on half a call."""

    manifest: ClassVar[Manifest] = Manifest(name="tool_schema", version="1.1.0", sees="raw")

    def __init__(self, config: ToolSchemaConfig) -> None:
        super().__init__(config)
        for schema in config.tools.values():
            Draft202012Validator.check_schema(schema)
        self._tools = {name: Draft202012Validator(one, registry=LOCAL) for name, one in config.tools.items()}

    def rules(self) -> Sequence[Rule]:
        return [Rule("tool_schema.wrong", "blocks calls that do not fit the schema of their tool", ("tools",))]

    async def on_response(self, exchange: Exchange) -> Decision | None:
        if exchange.reply is None or all(map(self._fits, exchange.reply.tool_calls)):
            return None
        return exchange.block("tool_schema.wrong")

    def _fits(self, call: ToolCall) -> bool:
        if call.name not in self._tools:
            return False
        try:
            return self._tools[call.name].is_valid(msgspec.json.decode(call.arguments))
        except ValueError:  # no JSON
            return False
