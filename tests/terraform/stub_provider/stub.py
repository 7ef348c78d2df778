"""A Terraform provider that knows what may be configured and does nothing: `stub.py NAME`, started by Terraform.

Its schemas are the published ones (schemas/, written by extract.py). With it `terraform validate` refuses what the real provider would not
know, and `terraform test` can mock the provider, without a registry.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf import runtime_version

# `tf` pins the protobuf its messages were made with; they work with ours, which is two majors newer, once nobody compares numbers.
runtime_version.ValidateProtobufRuntimeVersion = lambda *_: None

import tf.provider  # noqa: E402 - after the line above
from tf.gen import tfplugin_pb2 as messages  # noqa: E402 - likewise
from tf.gen import tfplugin_pb2_grpc as service  # noqa: E402 - likewise
from tf.runner import run_provider  # noqa: E402 - likewise

Schema = messages.Schema


def block(document: dict[str, Any]) -> Any:
    return Schema.Block(
        attributes=[attribute(name, *one) for name, one in sorted(document["attributes"].items())],
        block_types=[nested(name, one) for name, one in sorted(document["blocks"].items())],
    )


def attribute(name: str, given: str, type_: Any) -> Any:
    return Schema.Attribute(
        name=name,
        type=json.dumps(type_).encode(),
        required=given == "required",
        optional=given == "optional",
        # Which optional ones a provider fills in is not published.
        computed=given != "required",
    )


def nested(name: str, document: dict[str, Any]) -> Any:
    return Schema.NestedBlock(
        type_name=name,
        block=block(document),
        nesting=Schema.NestedBlock.NestingMode.LIST,
        min_items=int(document["must"]),
        max_items=0 if document["many"] else 1,
    )


class Servicer(service.ProviderServicer):
    def __init__(self, provider: SimpleNamespace) -> None:
        self._document = provider.document

    def GetMetadata(self, request: Any, context: Any) -> Any:
        return messages.GetMetadata.Response()

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        document = self._document
        # What may be configured of a provider itself is given by who applies: nothing of it must be.
        own = {name: ["optional", type_] for name, (_, type_) in document["provider"]["attributes"].items()}
        blocks = {name: one | {"must": False} for name, one in document["provider"]["blocks"].items()}
        return messages.GetProviderSchema.Response(
            provider=Schema(block=plain(block({"attributes": own, "blocks": blocks}))),
            resource_schemas={name: Schema(version=0, block=block(one)) for name, one in document["resources"].items()},
            data_source_schemas={name: Schema(version=0, block=block(one)) for name, one in document["data"].items()},
            server_capabilities=messages.ServerCapabilities(get_provider_schema_optional=True),
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return messages.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        return messages.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return messages.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        return messages.ConfigureProvider.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        return messages.StopProvider.Response()


def plain(found: Any) -> Any:
    """A provider's own configuration has nothing computed."""
    for one in found.attributes:
        one.computed = False
    for one in found.block_types:
        plain(one.block)
    return found


if __name__ == "__main__":
    name = sys.argv[1]
    document = json.loads((Path(__file__).parent / "schemas" / f"{name}.json").read_text())
    tf.provider.ProviderServicer = Servicer
    run_provider(SimpleNamespace(document=document, full_name=lambda: name))
