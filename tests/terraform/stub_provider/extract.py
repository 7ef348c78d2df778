"""Writes schemas/NAME.json, from the provider schemas published in cdktf's wheels, for the resources that our modules use.

    pip download --no-deps --dest WHEELS cdktf-cdktf-provider-{aws,helm,ionoscloud,kubernetes,random}
    python tests/terraform/stub_provider/extract.py WHEELS

Attributes and blocks, their types and whether they must be given are the published ones. What is not published there: which optional
attribute a provider fills in by itself; all of them may be.
"""

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TERRAFORM = HERE.parents[2] / "terraform"
PREFIXES = {"aws": "aws_", "helm": "helm_", "ionoscloud": "ionoscloud_", "kubernetes": "kubernetes_", "random": "random_"}
PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
META = {"connection", "count", "dependsOn", "forEach", "lifecycle", "provider", "provisioners", "alias"}
NEVER_DEEPER = 6
REFERENCE = {"complexObjectIndex", "complexObjectIsFromSet", "fqn", "internalValue", "terraformAttribute", "terraformResource"}
"""What every reference to a part of a resource has, beside the part's own."""

Types = dict[str, Any]


def used(prefix: str) -> tuple[set[str], set[str]]:
    """Resources and data sources of a provider that are named in our modules."""
    text = "\n".join(file.read_text() for file in TERRAFORM.rglob("*.tf"))
    named = re.findall(rf'^(resource|data) "({prefix}\w+)"', text, re.MULTILINE)
    return {name for kind, name in named if kind == "resource"}, {name for kind, name in named if kind == "data"}


def types_in(wheel: Path) -> tuple[str, Types]:
    with zipfile.ZipFile(wheel) as archive:
        package = next(name for name in archive.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(package))) as tar:
            member = tar.extractfile("package/.jsii")
            assert member is not None
            assembly = json.loads(member.read())
    return assembly["name"], assembly["types"]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def name_of(property_: dict[str, Any]) -> str:
    """As Terraform writes it: the published documentation links to it."""
    text = json.dumps(property_.get("docs", {}))
    linked = re.search(r"#(\w+) ", text)
    return linked[1] if linked else snake(property_["name"])


def alternatives(type_: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in type_.get("union", {}).get("types", [type_]):
        if one.get("fqn") != "cdktf.IResolvable":
            yield one


def described(types: Types, fqn: str, depth: int = 0) -> dict[str, Any]:
    """The attributes and blocks of a struct one may configure."""
    attributes: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    for one in properties(types, fqn):
        if depth == 0 and one["name"] in META:
            continue
        type_ = next(alternatives(one["type"]))
        inner = type_.get("fqn") or type_.get("collection", {}).get("elementtype", {}).get("fqn")
        if "collection" in type_ and inner is None:
            inner = next((each.get("fqn") for each in alternatives(type_["collection"]["elementtype"])), None)
        struct = inner is not None and inner in types and types[inner]["kind"] == "interface"
        must = not one.get("optional")
        if struct and "block" in one.get("docs", {}).get("summary", ""):
            if depth < NEVER_DEEPER:
                blocks[name_of(one)] = {"many": "collection" in type_, "must": must, **described(types, inner, depth + 1)}
            continue
        attributes[name_of(one)] = ["required" if must else "optional", cty(types, type_)]
    if f"{fqn}OutputReference" in types:
        known = {one["name"] for one in properties(types, fqn)} | REFERENCE
        for one in properties(types, f"{fqn}OutputReference"):
            if one["name"] not in known and not one["name"].endswith("Input"):
                attributes[snake(one["name"])] = ["computed", cty(types, one["type"])]
    return {"attributes": attributes, "blocks": blocks}


def properties(types: Types, fqn: str) -> Iterator[dict[str, Any]]:
    yield from types[fqn].get("properties", [])


def cty(types: Types, type_: dict[str, Any]) -> Any:
    """Terraform's own notation of a type."""
    if "union" in type_:
        return cty(types, next(alternatives(type_)))
    if "primitive" in type_:
        return PRIMITIVES[type_["primitive"]]
    if "collection" in type_:
        kind = "map" if type_["collection"]["kind"] == "map" else "list"
        return [kind, cty(types, type_["collection"]["elementtype"])]
    fqn = type_["fqn"]
    if fqn.startswith("cdktf."):
        return ["map", "bool"] if "BooleanMap" in fqn else ["map", "number"] if "NumberMap" in fqn else ["map", "string"]
    if fqn.endswith(("List", "Map")):
        element = fqn.removesuffix("List").removesuffix("Map") + "OutputReference"
        return ["list", cty(types, {"fqn": element})] if element in types else "dynamic"
    if types[fqn]["kind"] == "interface":
        # An object of which parts may be left out; Terraform's plain types cannot say which.
        return "dynamic"
    fields = {
        name_of(one): cty(types, one["type"])
        for one in properties(types, fqn)
        if one["name"] not in REFERENCE and not one["name"].endswith("Input") and not one.get("protected")
    }
    return ["object", fields]


def resource(types: Types, assembly: str, name: str, *, data: bool = False) -> dict[str, Any]:
    own = next(
        fqn
        for fqn, one in types.items()
        if one["kind"] == "class"
        and any(p["name"] == "tfResourceType" and p.get("static") for p in one.get("properties", []))
        and f"/{'data-sources' if data else 'resources'}/" in json.dumps(one.get("docs", {}))
        and re.search(rf" {name}\}}", json.dumps(one["docs"]))
    )
    found = described(types, f"{own}Config")
    taken = {"tfResourceType", *META, *(one["name"] for one in properties(types, f"{own}Config"))}
    for one in properties(types, own):
        if one["name"] in taken or one["name"].endswith("Input") or one.get("static"):
            continue
        found["attributes"].setdefault(snake(one["name"]), ["computed", cty(types, one["type"])])
    found["attributes"].setdefault("id", ["optional", "string"])
    return found


def main(wheels: Path) -> None:
    for provider, prefix in PREFIXES.items():
        wheel = next(wheels.glob(f"cdktf_cdktf_provider_{provider}-*.whl"))
        assembly, types = types_in(wheel)
        resources, data = used(prefix)
        configuration = next((fqn for fqn in types if re.fullmatch(rf"{re.escape(assembly)}\.provider\.\w+ProviderConfig", fqn)), None)
        document = {
            "from": wheel.name.partition("-py3")[0],
            "provider": described(types, configuration) if configuration else {"attributes": {}, "blocks": {}},
            "resources": {name: resource(types, assembly, name) for name in sorted(resources)},
            "data": {name: resource(types, assembly, name, data=True) for name in sorted(data)},
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        (HERE / "schemas" / f"{provider}.json").write_text(text.replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
