"""JSON Schemas (2020-12) of the messages: what msgspec says of the types, and what it cannot say.

Added to msgspec's schema are the docstrings of the fields, their forms (patterns, limits), which fields go together,
and that a field at its default is left out. What a schema still cannot say (bytes, canonical form, hashes, signatures,
order, time) stands in docs/contract/README.md and is in the vectors. Only keywords are used that mean the same in
draft 7, since AsyncAPI's parser knows no later one.
"""

from __future__ import annotations

import ast
import copy
import inspect
from typing import Any

import msgspec

from wire import attendance, chain, commands, condition
from wire.attendance import Batch, Event, EventType, Message, Mode
from wire.chain import Head, Receipt
from wire.commands import TIME, Command, CommandKind, Result
from wire.condition import Birth, Health, State
from wire.topics import IDENTIFIER, Topic

Schema = dict[str, Any]

KINDS: dict[Topic, type[Message]] = {
    Topic.STATE: State,
    Topic.BIRTH: Birth,
    Topic.HEAD: Head,
    Topic.EVENT: Event,
    Topic.BATCH: Batch,
    Topic.AUDIT: Event,
    Topic.HEALTH: Health,
    Topic.RESULT: Result,
    Topic.RECEIPT: Receipt,
    Topic.COMMAND: Command,
}
"""What is sent on which topic. `dn/config` and `dn/roster` are reserved: nothing is sent on them yet."""

LARGEST_INT = 2**53 - 1
"""RFC 8785, 3.2.2.3: what every JSON reader can hold exactly."""
BATCH_LIMIT = 100
TEXT: Schema = {"minLength": 1, "maxLength": 64}
SEQ: Schema = {"minimum": 1, "maximum": LARGEST_INT}
COUNT: Schema = {"minimum": 0, "maximum": LARGEST_INT}
DIGEST: Schema = {"pattern": r"^[0-9a-f]{64}(?!\n)$"}
SIGNATURE: Schema = {"pattern": r"^[0-9a-f]{128}(?!\n)$"}
SHARE: Schema = {"minimum": 0, "maximum": 1}

FORMS: dict[str, Schema] = {
    "v": {"const": attendance.VERSION},
    "dev": {"pattern": IDENTIFIER},
    "unit": {"pattern": IDENTIFIER},
    "Event.id": {"pattern": r"^[a-z0-9-]{1,32}\.[1-9][0-9]{0,15}(?!\n)$"},
    "seq": SEQ,
    "upto_seq": SEQ,
    "first": SEQ,
    "last": SEQ,
    "prev": DIGEST,
    "hash": DIGEST,
    "head": DIGEST,
    "key": DIGEST,
    "sha256": DIGEST,
    "sig": SIGNATURE,
    "boot": TEXT,
    "mono_ms": COUNT,
    "unc_ms": COUNT,
    "t": {"pattern": TIME},
    "tz": TEXT,
    "cfg": TEXT,
    "roster": {"maxLength": 64},
    "model": TEXT,
    "image": TEXT,
    "name": TEXT,
    "licence": {"minLength": 1, "maxLength": 200},
    "software": TEXT,
    "serial": {"maxLength": 64},
    "pid": {"pattern": r"^[A-Za-z0-9._-]{1,40}(?!\n)$"},
    "reason": TEXT,
    "challenge": TEXT,
    "Pad.score": SHARE,
    "Pad.thr": SHARE,
    "temp_c": {"minimum": -60, "maximum": 150},
    "faults": {"items": {"type": "string", "pattern": r"^[A-Z][0-9]{2}(?!\n)$"}, "uniqueItems": True},
    "capabilities": {"items": {"type": "string", **TEXT}, "uniqueItems": True},
    "schemas": {"items": {"type": "integer", "minimum": 1}, "minItems": 1, "uniqueItems": True},
    "events": {"items": {"allOf": [{"$ref": "#/$defs/Event"}, {"required": ["hist"]}]}, "minItems": 1,
               "maxItems": BATCH_LIMIT},
}  # fmt: skip
"""By field, or by struct and field: one name means one thing throughout the contract."""


def _where(needs: Schema, otherwise: Schema | None = None, **values: list[str]) -> Schema:
    """A rule that holds where each of these fields has one of its values."""
    condition = {"properties": {field: {"enum": wanted} for field, wanted in values.items()}, "required": [*values]}
    return {"if": condition, "then": needs} | ({} if otherwise is None else {"else": otherwise})


def _absent(*fields: str) -> Schema:
    return {"not": {"anyOf": [{"required": [field]} for field in fields]}}


MEASURED: list[str] = [Mode.FACE, Mode.FINGER, Mode.FINGER_AND_FACE]
RANGE = ("from_seq", "to_seq")
RULES: dict[str, list[Schema]] = {
    "Event": [
        _where({"required": ["pid", "act", "mode"]}, typ=[EventType.ATTENDANCE]),
        _where({"required": ["score", "thr"]}, typ=[EventType.ATTENDANCE], mode=MEASURED),
        _where({"required": ["reason"], **_absent("act")}, typ=[EventType.AUDIT]),
    ],
    "Command": [_where({"required": [*RANGE]}, _absent(*RANGE), kind=[CommandKind.REPLAY])],
}
"""Which fields go together, by struct."""

ONLY: dict[Topic, list[str]] = {
    Topic.EVENT: [typ for typ in EventType if typ is not EventType.AUDIT],
    Topic.AUDIT: [EventType.AUDIT],
}
"""The types of events that a topic carries, where it does not carry all of them."""


def schema(topic: Topic) -> Schema:
    """Return the schema of the messages on a topic; needs no other file."""
    kind = KINDS[topic]
    (_, definitions) = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    defs = {name: _tightened(name, copy.deepcopy(definition)) for name, definition in definitions.items()}
    root = defs.pop(kind.__name__)
    if topic in ONLY:
        root["properties"]["typ"] = {"enum": ONLY[topic]}
        defs.pop("EventType")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": topic.value}
    return head | {name: value for name, value in root.items() if name != "title"} | ({"$defs": defs} if defs else {})


def _tightened(struct: str, definition: Schema) -> Schema:
    """The definition with what msgspec cannot say."""
    if "properties" not in definition:
        return definition
    docs = _field_docs(STRUCTS[struct])
    for name, found in definition["properties"].items():
        form = FORMS.get(f"{struct}.{name}", FORMS.get(name, {}))
        sent = _sent(found) | form
        absence = "null:" if "null" in sent.get("type", ()) else "absent:"
        doc = {"description": docs[name].replace("None:", absence)} if name in docs else {}
        definition["properties"][name] = sent | doc
    if "sig" in definition["properties"]:
        definition["required"] = sorted({*definition["required"], "sig"})
    if struct in RULES:
        definition["allOf"] = RULES[struct]
    return definition


def _sent(found: Schema) -> Schema:
    """What may be sent of a property: a default is left out, so null, false and emptiness are never sent for it."""
    if "default" not in found:
        return _flattened(found)
    default = found.pop("default")
    match default:
        case None:
            (present,) = (each for each in found["anyOf"] if each != {"type": "null"})
            return dict(present)
        case False:
            return {"const": True}
        case "":
            return {**found, "minLength": 1}
        case []:
            return {**found, "minItems": 1}
    raise ValueError(f"a default of {default!r}: no rule says how it is sent")


def _flattened(found: Schema) -> Schema:
    """`integer or null`, in one line, so that limits can stand beside it."""
    alternatives = found.get("anyOf", [])
    if alternatives and all(set(each) == {"type"} for each in alternatives):
        return {"type": [each["type"] for each in alternatives]}
    return found


def _field_docs(struct: type) -> dict[str, str]:
    """The docstrings under a struct's own fields, each on one line."""
    (definition,) = ast.parse(inspect.getsource(struct)).body
    assert isinstance(definition, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = " ".join(text.split())
    return docs


STRUCTS: dict[str, type] = {
    name: found
    for module in (attendance, chain, condition, commands)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, msgspec.Struct)
}
"""Every struct of `wire`, by name."""
