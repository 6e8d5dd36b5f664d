"""The AsyncAPI 3 document: every topic with its direction, delivery and message, from `wire.topics`.

The application that it describes is the terminal: it sends what goes `up/` and receives what comes `dn/`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from scripts.contract.schemas import KINDS, Schema, schema
from scripts.contract.vectors import messages
from wire.attendance import LARGEST_MESSAGE, VERSION
from wire.topics import DELIVERY, ROOT, Delivery, Topic

BINDING = "0.2.0"
"""Of the MQTT bindings for AsyncAPI."""
SUMMARIES: dict[Topic, str] = {
    Topic.STATE: "How the terminal is; also the will that the broker speaks for it, recognised as stale by its `boot`.",
    Topic.BIRTH: "What the terminal is; at every connection, and when something in it changes.",
    Topic.HEAD: "Signed word on how far the journal goes; hourly, after each batch, before a shutdown.",
    Topic.EVENT: "One event, as it happens.",
    Topic.BATCH: "Events that waited offline, ascending; more go out at once while receipts come promptly.",
    Topic.AUDIT: "One refusal, attack or technician's act, as it happens: same chain, same receipts.",
    Topic.HEALTH: "The minute's figures; a lost one is not sent again.",
    Topic.RESULT: "The answer to a command, signed by the terminal.",
    Topic.RECEIPT: "The district's signature for all events up to one, after its own commit; terminals prune by it.",
    Topic.COMMAND: "An order to one terminal: signed, expiring within an hour, obeyed once.",
    Topic.CONFIG: "Reserved for the desired configuration; nothing is sent on it yet, and terminals drop what comes.",
    Topic.ROSTER: "Reserved for the desired roster; nothing is sent on it yet, and terminals drop what comes.",
}
DESCRIPTION = f"""What an attendance terminal promises to any MQTT subscriber, and what it accepts.

Every message is UTF-8 JSON in canonical form (RFC 8785), at most {LARGEST_MESSAGE} bytes, with `v` = {VERSION}. How
hashes, signatures and receipts are made and checked stands in the README beside this file; `vectors/` has messages to
try a subscriber on, good and bad, and `subscriber.py` is a whole one."""


def document() -> dict[str, Any]:
    """Return the document; schemas are referred to by file, relative to it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hadir attendance terminal",
            "version": f"{VERSION}.0.0",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"district": _server()},
        "channels": {_name(topic): _channel(topic) for topic in Topic},
        "operations": {_operation_name(topic): _operation(topic) for topic in Topic if topic in KINDS},
        "components": {
            "messages": {_name(topic): _message(topic) for topic in KINDS},
            "securitySchemes": {"certificate": _certificate()},
        },
    }


def schema_files() -> dict[str, Schema]:
    """The schemas, by the path at which the document refers to them."""
    return {f"schemas/{_name(topic)}.json": schema(topic) for topic in KINDS}


def _server() -> dict[str, Any]:
    will = DELIVERY[Topic.STATE]
    return {
        "host": "broker.district.example:8883",
        "protocol": "secure-mqtt",
        "protocolVersion": "3.1.1",
        "description": "The district's broker. TLS 1.2 or later.",
        "security": [{"$ref": "#/components/securitySchemes/certificate"}],
        "bindings": {
            "mqtt": {
                "clientId": "{device}",
                "cleanSession": False,
                "keepAlive": 60,
                "lastWill": {
                    "topic": f"{ROOT}/{{district}}/{{device}}/{Topic.STATE.value}",
                    "qos": will.qos,
                    "retain": will.retain,
                    "message": "a state message, `offline`",
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _certificate() -> dict[str, Any]:
    return {
        "type": "X509",
        "description": "A client certificate whose common name is the device: client id and user name are the same. "
        "A device writes only its own `up/#` and reads only its own `dn/#`.",
    }


def _channel(topic: Topic) -> dict[str, Any]:
    messages = {"messages": {_name(topic): {"$ref": f"#/components/messages/{_name(topic)}"}}} if topic in KINDS else {}
    return {
        "address": f"{ROOT}/{{district}}/{{device}}/{topic.value}",
        "title": topic.value,
        "description": SUMMARIES[topic],
        "servers": [{"$ref": "#/servers/district"}],
        "parameters": {
            "district": {"description": "The district's name: 1 to 32 of a-z, 0-9 and `-`.", "examples": ["batang"]},
            "device": {"description": "The terminal's name, likewise; its `dev`.", "examples": ["balai-01"]},
        },
    } | messages


def _operation(topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{_name(topic)}"
    return {
        "action": "send" if _goes_up(topic) else "receive",
        "summary": SUMMARIES[topic],
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_name(topic)}"}],
        "bindings": {"mqtt": _binding(DELIVERY[topic])},
    }


def _binding(delivery: Delivery) -> dict[str, Any]:
    expiry = {} if delivery.expiry_s is None else {"messageExpiryInterval": delivery.expiry_s}
    return {"qos": delivery.qos, "retain": delivery.retain, **expiry, "bindingVersion": BINDING}


def _message(topic: Topic) -> dict[str, Any]:
    name, message = next(iter(messages()[topic].items()))
    return {
        "name": _name(topic),
        "title": topic.value,
        "contentType": "application/json",
        "payload": {"$ref": f"./schemas/{_name(topic)}.json"},
        "examples": [{"name": name, "payload": msgspec.to_builtins(message)}],
    }


def _operation_name(topic: Topic) -> str:
    return ("send" if _goes_up(topic) else "receive") + _name(topic).capitalize()


def _goes_up(topic: Topic) -> bool:
    return topic.value.startswith("up/")


def _name(topic: Topic) -> str:
    return topic.value.partition("/")[2]
