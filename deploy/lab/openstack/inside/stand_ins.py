"""Stand-ins for Glance and Neutron: only what Nova and the cloud of kind "openstack" ask. They check no token."""

from __future__ import annotations

import itertools
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

Row = dict[str, Any]
Reply = Callable[[str, list[tuple[str, str]]], object]

IMAGE_ID = "70a599e0-31e7-49b7-b260-868f441e862b"
NET_ID, SUBNET_ID, GROUP_ID = (f"0c1b2c3d-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
TEXTS = {200: "OK", 201: "Created", 204: "No Content", 300: "Multiple Choices", 404: "Not Found"}
NO_FILTER = frozenset({"fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"})
OURS = {"tenant_id": "admin", "project_id": "admin"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


IMAGE: Row = {
    "id": IMAGE_ID, "name": "fake-image", "status": "active", "visibility": "public", "container_format": "bare",
    "disk_format": "raw", "size": 25_165_824, "virtual_size": None, "min_disk": 0, "min_ram": 0, "protected": False,
    "os_hidden": False, "owner": "admin", "tags": [], "checksum": "0" * 32, "created_at": _now(),
    "updated_at": _now(), "file": f"/v2/images/{IMAGE_ID}/file", "schema": "/v2/schemas/image",
    "self": f"/v2/images/{IMAGE_ID}",
}  # fmt: skip
NETWORK: Row = {
    "id": NET_ID, "name": "private", "status": "ACTIVE", "admin_state_up": True, "shared": True,
    "subnets": [SUBNET_ID], "mtu": 1450, "port_security_enabled": True, "router:external": False,
    "provider:network_type": "vxlan", **OURS,
}  # fmt: skip
SUBNET: Row = {
    "id": SUBNET_ID, "name": "private-subnet", "network_id": NET_ID, "ip_version": 4, "cidr": "10.0.0.0/16",
    "gateway_ip": "10.0.0.1", "enable_dhcp": True, "dns_nameservers": [], "host_routes": [],
    "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.255.254"}], **OURS,
}  # fmt: skip
GROUP: Row = {"id": GROUP_ID, "name": "default", "description": "default", "security_group_rules": [], **OURS}
TABLES: dict[str, list[Row]] = {
    "networks": [NETWORK], "subnets": [SUBNET], "security-groups": [GROUP], "floatingips": [], "routers": [],
    "security-group-rules": [], "trunks": [],
}  # fmt: skip
PORTS: dict[str, Row] = {}
_addresses = itertools.count(2)
_lock = threading.RLock()


def glance(environ: Row, start: Reply) -> Iterable[bytes]:
    path, base = environ["PATH_INFO"].rstrip("/"), f"http://{environ['HTTP_HOST']}"
    if path in ("", "/versions", "/v2"):
        return _versions(start, "v2.16", f"{base}/v2/")
    if path == "/v2/images":
        found = _chosen([IMAGE], environ)
        return _json(start, 200, {"images": found, "first": path, "schema": "/v2/schemas/images"})
    if path == f"/v2/images/{IMAGE_ID}":
        return _json(start, 200, IMAGE)
    if path == "/v2/schemas/image":
        known = {key: {"type": "string"} for key in IMAGE}
        return _json(
            start,
            200,
            {"name": "image", "properties": known, "additionalProperties": {"type": "string"}, "links": []},
        )
    if path.endswith("/members"):
        return _json(start, 200, {"members": []})
    page = b"<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1>No image found</body></html>"
    start("404 Not Found", [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(page)))])
    return [page]  # Glance answers so


def neutron(environ: Row, start: Reply) -> Iterable[bytes]:
    path = environ["PATH_INFO"].rstrip("/").removesuffix(".json")
    if path == "":
        return _versions(start, "v2.0", f"http://{environ['HTTP_HOST']}/v2.0/")
    if path == "/v2.0":
        return _json(start, 200, {"resources": []})
    if path == "/v2.0/extensions":
        names = ("port-binding", "binding", "security-group")
        known = [{"alias": n, "name": n, "description": n, "links": [], "updated": _now()} for n in names]
        return _json(start, 200, {"extensions": known})
    if found := re.fullmatch(r"/v2.0/quotas/([^/]+)(/details|/default)?", path):
        return _quotas(start, found[2] == "/details")
    _, _, kind, *rest = path.split("/")
    with _lock:
        return _ports(environ, start, rest) if kind == "ports" else _table(environ, start, kind, rest)


def _table(environ: Row, start: Reply, kind: str, rest: list[str]) -> Iterable[bytes]:
    rows, key = TABLES.get(kind), kind.replace("-", "_")
    if rows is not None and not rest:
        return _json(start, 200, {key: _chosen(rows, environ)})
    for row in rows or ():
        if row["id"] == rest[0]:
            return _json(start, 200, {key[:-1]: row})
    return _nothing(environ, start)


def _ports(environ: Row, start: Reply, rest: list[str]) -> Iterable[bytes]:
    method = environ["REQUEST_METHOD"]
    if not rest and method == "GET":
        return _json(start, 200, {"ports": _chosen(PORTS.values(), environ)})
    if not rest:
        asked = _body(environ)
        if "ports" in asked:
            return _json(start, 201, {"ports": [_port(one) for one in asked["ports"]]})
        return _json(start, 201, {"port": _port(asked["port"])})
    if rest[0] not in PORTS:
        return _nothing(environ, start)
    if method == "DELETE":
        del PORTS[rest[0]]
        return _json(start, 204)
    if method == "PUT":
        PORTS[rest[0]].update(_body(environ)["port"])
    return _json(start, 200, {"port": PORTS[rest[0]]})


def _port(asked: Row) -> Row:
    n, id_ = next(_addresses), str(uuid.uuid4())
    port: Row = {
        "id": id_, "name": "", "network_id": NET_ID, "admin_state_up": True, "status": "ACTIVE", "device_id": "",
        "device_owner": "", "mac_address": f"fa:16:3e:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
        "fixed_ips": [{"subnet_id": SUBNET_ID, "ip_address": f"10.0.{n >> 8 & 255}.{n & 255}"}],
        "security_groups": [GROUP_ID], "allowed_address_pairs": [], "extra_dhcp_opts": [], "tags": [], **OURS,
        "binding:vnic_type": "normal", "binding:vif_type": "ovs", "binding:vif_details": {}, "binding:host_id": "",
        "binding:profile": {},
    }  # fmt: skip
    kept = {key: value for key, value in asked.items() if value is not None and key not in ("mac_address", "fixed_ips")}
    PORTS[id_] = port | kept
    return PORTS[id_]


def _quotas(start: Reply, details: bool) -> Iterable[bytes]:
    kinds = ("network", "subnet", "port", "security_group", "floatingip", "router")
    each: object = {"limit": -1, "used": 0, "reserved": 0} if details else -1
    return _json(start, 200, {"quota": dict.fromkeys(kinds, each)})


def _versions(start: Reply, name: str, url: str) -> Iterable[bytes]:
    version = {"id": name, "status": "CURRENT", "links": [{"rel": "self", "href": url}]}
    return _json(start, 300 if name == "v2.16" else 200, {"versions": [version]})


def _chosen(rows: Iterable[Row], environ: Row) -> list[Row]:
    wanted: dict[str, list[str]] = {}
    for key, value in parse_qsl(environ.get("QUERY_STRING", "")):
        if key not in NO_FILTER:
            wanted.setdefault(key, []).append(value)
    return [row for row in rows if all(str(row[key]) in values for key, values in wanted.items() if key in row)]


def _body(environ: Row) -> Row:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    found: Row = json.loads(environ["wsgi.input"].read(length)) if length else {}
    return found


def _nothing(environ: Row, start: Reply) -> Iterable[bytes]:
    message = f"no {environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    return _json(start, 404, {"NeutronError": {"type": "NotFound", "message": message, "detail": ""}})


def _json(start: Reply, code: int, answer: object = None) -> Iterable[bytes]:
    body = b"" if answer is None else json.dumps(answer).encode()
    start(f"{code} {TEXTS[code]}", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
