"""The EC2 API of the lab: moto behind a shim that keeps EC2's promises about tokens, capacity and ends.

Sources: the EC2 API reference on idempotency (same token and parameters: the same instances; other parameters:
IdempotentParameterMismatch; all ended: IdempotentInstanceTerminated) and on MinCount and MaxCount (as many as there is
room for, at least MinCount, or nothing).

The rule it keeps: the work of a call is done whole under one lock; only the *answer* is delayed, spoilt or dropped.
"""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from deploy.lab.cloud import moto_ec2
from deploy.lab.cloud.faults import HYPERVISOR_KEY, Fault, Faults, Settings
from deploy.lab.cloud.ledger import Ledger

Answer = tuple[int, bytes]
_INSTANCE_ID = re.compile(rb"<instanceId>(i-[0-9a-f]+)</instanceId>")
_SCOPE = re.compile(r"Credential=([^/]+)/[^/]+/([^/]+)/")
_BEFORE = ("refuse", "drop_before")
_SPOILT = {
    "garbage_after": b"<html>a proxy in between says sorry",
    "page_after": b"<html><body>a proxy in between says sorry</body></html>",
}


def error(code: str, message: str, status: int = 400) -> Answer:
    text = (
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
        "<RequestID>lab</RequestID></Response>"
    )
    return status, text.encode()


class Call:
    """One EC2 call: who asks, in which region, for what."""

    def __init__(self, environ: dict[str, Any], body: bytes) -> None:
        self.environ = environ
        self.form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        self.key, self.region = scope.groups() if scope else ("", "us-east-1")
        self.action = self.form.get("Action", "")

    def named(self, prefix: str) -> list[str]:
        """The values of a list parameter: InstanceId.1, InstanceId.2, ..."""
        return [value for name, value in self.form.items() if name.startswith(f"{prefix}.")]

    def tags(self) -> dict[str, str]:
        """The tags for instances in TagSpecification.N."""
        found: dict[str, str] = {}
        for name, value in self.form.items():
            if match := re.fullmatch(r"(TagSpecification\.\d+)\.Tag\.(\d+)\.Key", name):
                spec, number = match.groups()
                if self.form.get(f"{spec}.ResourceType") == "instance":
                    found[value] = self.form.get(f"{spec}.Tag.{number}.Value", "")
        return found


class Shim:
    """The WSGI application: `/_lab/...` for the lab, everything else is EC2."""

    def __init__(self) -> None:
        moto_ec2.learn_token_filter()
        self.settings = Settings()
        self.faults = Faults()
        self.ledger = Ledger()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.RLock()
        self._changes = 0  # grows with whatever may have changed an instance
        self._used: dict[tuple[str, str], str] = {}  # (region, token) -> the parameters it was used with

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_lab/"):
            status, text = self._control(environ["REQUEST_METHOD"], path.removeprefix("/_lab/"), body)
            kind = "application/json"
        else:
            status, text = self._ec2(Call(environ, body))
            kind = "text/xml;charset=UTF-8"
        start_response(f"{status} Lab", [("Content-Type", kind), ("Content-Length", str(len(text)))])
        return [text]

    # EC2

    def _ec2(self, call: Call) -> Answer:
        if call.key == HYPERVISOR_KEY:
            with self._lock:
                return self._work(call)
        if self.settings.access_keys and call.key not in self.settings.access_keys:
            return error("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        fault = self.faults.take(call.action)
        if fault is not None and fault.kind in _BEFORE:
            return self._before(call, fault)
        hiding = fault is not None and fault.kind == "hide_newest"
        with self._lock:
            hidden: AbstractContextManager[None] = nullcontext()
            if fault is not None and hiding:
                hidden = moto_ec2.hide_newest(call.region, fault.count)
            with hidden:
                answer = self._work(call)
        return answer if fault is None else self._after(call, fault, answer)

    def _before(self, call: Call, fault: Fault) -> Answer:
        if fault.kind == "drop_before":
            self._drop(call)
        return error(fault.code, fault.message, fault.status)

    def _after(self, call: Call, fault: Fault, answer: Answer) -> Answer:
        if fault.kind == "delay":
            time.sleep(fault.seconds)
        if fault.kind == "drop_after":
            self._drop(call)
        if fault.kind == "fail_after":
            return error(fault.code, fault.message, 500)
        return (200, _SPOILT[fault.kind]) if fault.kind in _SPOILT else answer

    def _drop(self, call: Call) -> None:
        """Close the connection without an answer."""
        call.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError("dropped, as asked for by the lab")

    def _work(self, call: Call) -> Answer:
        if not call.action.startswith("Describe"):
            self._changes += 1
        if not self.settings.heeds_dry_run:
            call.form.pop("DryRun", None)
        dry = call.form.get("DryRun") == "true"
        if call.action == "RunInstances" and not dry:
            return self._run(call)
        if call.action == "TerminateInstances" and not dry:
            return self._terminate(call)
        return self._ask_moto(call)

    def _run(self, call: Call) -> Answer:
        token = call.form.get("ClientToken", "")
        if token and (region_token := (call.region, token)) in self._used:
            return self._repeat(call, self._used[region_token])
        frozen = _frozen(call)
        answer = self._too_cheap(call) or self._start(call)
        if token and answer[0] == 200:
            self._used[call.region, token] = frozen
        return answer

    def _repeat(self, call: Call, frozen: str) -> Answer:
        """The token was used: the same instances, or why not. Nothing new."""
        if frozen != _frozen(call):
            return error("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent")
        instances = moto_ec2.by_token(call.region, call.form["ClientToken"])
        if all(one.state == "terminated" for one in instances):
            return error("IdempotentInstanceTerminated", "The instance of this token has been terminated")
        self._note_run(call, [one.id for one in instances], repeat=True)
        return self._described(call, instances)

    def _described(self, call: Call, instances: list[Any]) -> Answer:
        """A RunInstances answer for instances that exist: moto's listing of them, in the other envelope."""
        form = {"Action": "DescribeInstances", "Version": call.form.get("Version", "2016-11-15")}
        form |= {f"InstanceId.{n}": one.id for n, one in enumerate(instances, 1)}
        status, text = self._ask_moto(call, form)
        inner = re.search(rb"<reservationSet>\s*<item>(.*)</item>\s*</reservationSet>", text, re.DOTALL)
        if status != 200 or inner is None:
            return error("InternalError", "the lab cannot repeat its answer", 500)
        space = b"http://ec2.amazonaws.com/doc/2016-11-15/"
        return 200, b'<RunInstancesResponse xmlns="' + space + b'">' + inner.group(1) + b"</RunInstancesResponse>"

    def _too_cheap(self, call: Call) -> Answer | None:
        offer = call.form.get("InstanceMarketOptions.SpotOptions.MaxPrice")
        price = self.settings.usd_per_hour.get(call.form.get("InstanceType", ""), 0.0)
        if offer is None or float(offer) >= price:
            return None
        return error("SpotMaxPriceTooLow", f"Your Spot request price of {offer} is lower than {price}")

    def _start(self, call: Call) -> Answer:
        kind = call.form.get("InstanceType", "")
        wanted, least = int(call.form.get("MaxCount", 1)), int(call.form.get("MinCount", 1))
        if (limit := self.settings.capacity.get(kind)) is not None:
            wanted = min(wanted, limit - moto_ec2.all_alive(kind))
        if wanted < least:
            return error("InsufficientInstanceCapacity", f"We currently do not have sufficient {kind} capacity", 500)
        status, text = self._ask_moto(call, call.form | {"MinCount": str(wanted)})
        if status == 200:
            ids = [found.decode() for found in _INSTANCE_ID.findall(text)]
            self._note_run(call, ids, repeat=False)
            self._linger(ids, "pending", "running", self.settings.pending_s)
        return status, text

    def _note_run(self, call: Call, ids: list[str], repeat: bool) -> None:
        kind = call.form.get("InstanceType", "")
        self.ledger.add(
            "RunInstances",
            ids,
            token=call.form.get("ClientToken", ""),
            type=kind,
            market=call.form.get("InstanceMarketOptions.MarketType", "on-demand"),
            zone=call.form.get("Placement.AvailabilityZone", ""),
            region=call.region,
            tags=call.tags(),
            usd_per_hour=self.settings.usd_per_hour.get(kind, 0.0),
            repeat=repeat,
        )

    def _terminate(self, call: Call) -> Answer:
        ids = call.named("InstanceId")
        instances = [moto_ec2.find(one) for one in ids]
        living = [one.id for one in instances if one is not None and one.state not in ("shutting-down", "terminated")]
        answer = self._ask_moto(call)
        if answer[0] == 200:
            self.ledger.add("TerminateInstances", living, region=call.region, asked=ids)
            self._linger(living, "shutting-down", "terminated", self.settings.ending_s)
        return answer

    def _linger(self, ids: list[str], state: str, then: str, seconds: float) -> None:
        """Show `state` for a while before `then`, unless something else happened to the instance meanwhile."""
        if not seconds:
            return
        instances = [one for one in map(moto_ec2.find, ids) if one is not None]
        for one in instances:
            moto_ec2.set_state(one, state)
        timer = threading.Timer(seconds, self._move_on, (instances, state, then))
        timer.daemon = True
        timer.start()

    def _move_on(self, instances: list[Any], state: str, then: str) -> None:
        with self._lock:
            for one in instances:
                if one.state == state:
                    moto_ec2.set_state(one, then)
            self._changes += 1

    def _ask_moto(self, call: Call, form: dict[str, str] | None = None) -> Answer:
        body = urlencode(call.form if form is None else form).encode()
        environ = {**call.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        status: list[int] = []
        parts = self._moto(environ, lambda line, *_: status.append(int(line.split()[0])))
        return status[0], b"".join(parts)

    # The side door

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        try:
            return 200, json.dumps(self._obey(method, path, json.loads(body or b"{}"))).encode()
        except (KeyError, ValueError) as wrong:
            return 400, json.dumps({"error": f"{method} /_lab/{path}: {wrong}"}).encode()

    def _obey(self, method: str, path: str, body: dict[str, Any]) -> Any:
        match method, path.split("/"):
            case "GET", ["ledger"]:
                return self.ledger.entries()
            case "GET", ["changes"]:
                with self._lock:
                    return self._changes
            case "GET", ["faults"]:
                return [fault.model_dump() for fault in self.faults.waiting()]
            case "POST", ["faults"]:
                self.faults.add(Fault.model_validate(body))
            case "DELETE", ["faults"]:
                self.faults.clear()
            case (("GET" | "POST"), ["settings"]):
                self.settings = Settings.model_validate(self.settings.model_dump() | body)
                return self.settings.model_dump()
            case "POST", ["instances", instance_id]:
                return {"ended": self._end_from_inside(instance_id, str(body.get("how", "poweroff")))}
            case _:
                raise ValueError("no such path; there are ledger, changes, faults, settings, instances/ID")
        return {}

    def _end_from_inside(self, instance_id: str, how: str) -> bool:
        with self._lock:
            instance = moto_ec2.find(instance_id)
            if instance is None or instance.state not in ("pending", "running"):
                return False
            moto_ec2.end_from_inside(instance, how)
            self._changes += 1
        self.ledger.add("Ended", [instance_id], how=how)
        return True


def _frozen(call: Call) -> str:
    """What must be the same when a token is used again: everything that was asked for."""
    return json.dumps(sorted(call.form.items()))
