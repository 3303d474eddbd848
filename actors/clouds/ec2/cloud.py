"""EC2, and clouds that speak its API. It knows of boto3 what its core, botocore, raises.

The rule it keeps: one call is one request. boto3's own retries are off, because a repeat that the submitter does not
see would be sent without the fence having been checked. Every failure leaves here as a `CloudError`, by its remedy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from actors.clouds.ec2 import answers, aws_client, errors, fast_form, fast_xml
from actors.clouds.ec2 import request as ec2_request
from actors.clouds.port import CloudError, Order, Refused, Unknown
from actors.config.findings import Finding
from actors.config.schema import Ec2Account, Ec2Cloud
from actors.fleet.number_of import number_of
from actors.fleet.observations import Instance, Listed
from actors.fleet.shape import Shape

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client  # stubs only; nothing at run time

_PAGE = 1000  # instances a page: the most that EC2 gives
_BATCH = 100  # instances an end call: EC2 asks for small ones
_NEVER_SENT = (NoCredentialsError, PartialCredentialsError, ParamValidationError, ProfileNotFound)
_DRY = "DryRunOperation"
_Send = Callable[["EC2Client", Sequence[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a cloud looks beyond its own VMs, and how many calls it makes at once.

    `siblings`: the clouds of its account, whose VMs are no foreign ones; these are counted if `count_foreign` says so.
    """

    count_foreign: bool = False
    siblings: frozenset[str] = frozenset()
    threads: int = 16


ALONE = Reach()


class Ec2:
    """One cloud of kind "ec2". `reveal` turns a `Secret` into its text (LookupError or OSError: it is not there).

    With `count_foreign` the listing also counts the instances of others in the account and region that hold quota; that
    asks for all of them.
    """

    def __init__(
        self,
        *,
        factory: str,
        name: str,
        config: Ec2Cloud,
        account: Ec2Account | None = None,
        reveal: Callable[[str], str],
        reach: Reach = ALONE,
    ) -> None:
        self._name = name
        self._names = {"apf:factory": factory, "apf:cloud": name}
        self._config = config
        self._account = account or Ec2Account(kind="ec2")
        self._reveal = reveal
        self._count_foreign, self._threads = reach.count_foreign, reach.threads
        self._siblings = reach.siblings | {name}
        self._lock = threading.Lock()
        self._made: EC2Client | None = None

    def prepare(self, order: Order) -> str:
        return ec2_request.freeze(order, self._config, self._names)

    def launch(self, request: str) -> tuple[Instance, ...]:
        parameters, tags = ec2_request.thaw(request), dict[str, str]()
        if not self._config.tag_specifications:
            parameters, tags = ec2_request.without_tags(parameters)
        with self._call() as client:
            answer: Mapping[str, Any] = client.run_instances(**parameters)  # type: ignore[arg-type]
            found = [answers.instance(one) for one in answers.required(answer, "Instances")]
            if tags:  # a launch that fails here is repeated: its token starts nothing new
                pairs: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
                client.create_tags(Resources=[one.id for one in found], Tags=pairs)
                found = [answers.tagged(one, tags) for one in found]
        if not 1 <= len(found) <= int(str(parameters["MaxCount"])):
            asked = number_of(int(str(parameters["MaxCount"])), "instance")
            raise Unknown(f"asked for {asked}, the answer has {len(found)}", "count")
        return tuple(sorted(found, key=lambda one: one.index))

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        by_token = self._describe({"client-token": token})
        if not self._config.tag_specifications:  # the launch is to be repeated for those that lack their tags
            by_token = tuple(one for one in by_token if one.intent)
        by_tag = self._describe(
            {f"tag:{key}": value for key, value in self._names.items()} | {"tag:apf:intent": intent}
        )
        return tuple({one.id: one for one in (*by_token, *by_tag)}.values())

    def listing(self, now: float) -> Listed:
        ours = self._describe({f"tag:{key}": value for key, value in self._names.items()})
        vms, cores = self._foreign() if self._count_foreign else (0, 0)
        return Listed(source=f"cloud/{self._name}", at=now, instances=ours, foreign=vms, foreign_cores=cores)

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Raises only if no id was accepted; what is left is asked for again by the caller, and then says why."""
        accepted: list[str] = []
        failed: CloudError | None = None
        for start in range(0, len(ids), _BATCH):
            try:
                self._each(ids[start : start + _BATCH], accepted, _terminate)
            except CloudError as error:
                failed = error
        if failed and not accepted:
            raise failed
        return tuple(accepted)

    def mark_held(self, ids: Sequence[str], words: str) -> None:
        tag = {"Key": answers.HELD, **({"Value": words} if words else {})}

        def send(client: EC2Client, some: Sequence[str]) -> None:
            (client.create_tags if words else client.delete_tags)(Resources=some, Tags=[tag])  # type: ignore[list-item]

        for start in range(0, len(ids), _BATCH):
            self._each(ids[start : start + _BATCH], [], send)

    def close(self) -> None:
        if (client := self._forget()) is not None:
            client.close()

    def check(self) -> tuple[Finding, ...]:
        """Try the credentials, the listing, the image, and a launch that starts nothing. For `apf check --live`."""
        listed = self._try(
            "credentials and listing", lambda: f"{number_of(len(self.listing(0.0).instances), 'instance')} of ours"
        )
        if not listed.ok:
            return (listed,)
        image = self._try("image", self._look_at_image)
        return listed, image, self._compare_shape(), self._try_launch()

    def _compare_shape(self) -> Finding:
        """The shape that jobs are promised beside what the machine type has. Not every EC2 API can tell."""
        what, name = "shape", str(self._config.request.get("InstanceType") or self._config.instance_type or "")
        if not name:
            return Finding(what=what, ok=None, text="not compared, the machine type is named by the launch template")
        try:
            with self._call() as client:
                types = answers.required(client.describe_instance_types(InstanceTypes=[name]), "InstanceTypes")  # type: ignore[list-item]
            (real,) = map(answers.type_shape, types)
        except (CloudError, ValueError) as error:
            return Finding(what=what, ok=None, text=f"not compared, what {name} has is not told: {error}")
        said = self._config.shape
        promised = Shape(cpus=said.cpus, memory_mib=said.memory_mib, gpus=said.gpus)
        if less := real.smaller_than(promised):
            return Finding(what=what, ok=False, text=f"{name} has {less}: VMs would be bought in vain")
        if more := real.larger_than(promised):
            return Finding(what=what, ok=None, text=f"{name} has {more}: more VMs would be bought than jobs need")
        return Finding(what=what, ok=True, text=f"{name} has all that it says")

    def _each(self, ids: Sequence[str], accepted: list[str], send: _Send) -> None:
        """EC2 refuses a whole call for one bad id, so a refused one is halved until that id stands alone."""
        try:
            with self._call() as client:
                send(client, ids)
        except Refused as error:
            if error.code not in errors.ONE_OF_MANY:
                raise
            self._halves(ids, accepted, send, error)
            return
        accepted += ids

    def _halves(self, ids: Sequence[str], accepted: list[str], send: _Send, error: Refused) -> None:
        if len(ids) > 1:
            middle = len(ids) // 2
            failed = [why for half in (ids[:middle], ids[middle:]) if (why := self._quietly(half, accepted, send))]
            if failed:
                raise failed[0]
        elif error.code == errors.GONE:
            accepted += ids
        else:
            raise error

    def _quietly(self, ids: Sequence[str], accepted: list[str], send: _Send) -> CloudError | None:
        """The other half has to be asked for even if this one fails."""
        try:
            self._each(ids, accepted, send)
        except CloudError as error:
            return error
        return None

    def _foreign(self) -> tuple[int, int]:
        """VMs of others in this account and region, and their cores."""
        known = {self._config.instance_type or "": self._config.shape.cpus}
        with self._call() as client:
            pages = client.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": _PAGE})
            found = {
                vm: cores
                for page in pages
                for vm, cores in answers.foreign(page, self._names["apf:factory"], self._siblings, known)
            }
        return len(found), sum(found.values())

    def _describe(self, filters: Mapping[str, str]) -> tuple[Instance, ...]:
        """All pages, each instance once, even if it moved between pages meanwhile."""
        asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        with self._call() as client:
            pages = client.get_paginator("describe_instances").paginate(
                Filters=asked,  # type: ignore[arg-type]
                PaginationConfig={"PageSize": _PAGE},
            )
            return tuple({one.id: one for page in pages for one in answers.instances(page)}.values())

    def _look_at_image(self) -> str:
        image = self._config.image
        if not image:
            return "named by the launch template or the request"
        with self._call() as client:
            found = answers.required(client.describe_images(ImageIds=[image]), "Images")
        if not found or found[0].get("State") != "available":
            raise Refused(f"the image {image} is not there or not available in {self._config.region}")
        return f"{image} ({found[0].get('Name', 'no name')})"

    def _try_launch(self) -> Finding:
        """Only where a read shows that the endpoint heeds DryRun: elsewhere it would start a VM."""
        what = "launch"
        if not self._heeds_dry_run():
            return Finding(what=what, ok=None, text=f"not tried, the endpoint does not heed DryRun{self._hint()}")
        order = Order(intent="check", queue="check", count=1, token="check", user_data="#cloud-config\n", decision="")
        return self._try(what, lambda: self._dry_run(ec2_request.thaw(self.prepare(order))))

    def _hint(self) -> str:
        """For a cloud that is not Amazon's, and may be what is known to refuse what is sent."""
        sent = self._config.metadata_options or self._config.tag_specifications
        return f"; {errors.OPENSTACKS}" if self._config.endpoint and sent else ""

    def _heeds_dry_run(self) -> bool:
        try:
            with self._call() as client:
                client.describe_instances(DryRun=True)
        except CloudError as error:
            return error.code == _DRY
        return False

    def _dry_run(self, parameters: ec2_request.Parameters) -> str:
        try:
            with self._call() as client:
                client.run_instances(**parameters, DryRun=True)  # type: ignore[arg-type]
        except CloudError as error:
            if error.code != _DRY:
                raise
            return "it would have been accepted"
        raise Unknown("the endpoint heeds DryRun for reads but not for launches: end what it started")

    def _try(self, what: str, attempt: Callable[[], str]) -> Finding:
        try:
            return Finding(what=what, ok=True, text=attempt())
        except CloudError as error:
            return Finding(what=what, ok=False, text=f"{type(error).__name__}: {error}")

    @contextmanager
    def _call(self) -> Iterator[EC2Client]:
        """A client, for one call; whatever goes wrong in it leaves as a CloudError."""
        try:
            yield self._client()
        except ClientError as error:
            raise self._answered(error) from error
        except _NEVER_SENT as error:
            raise Refused(f"nothing was sent: {error}", type(error).__name__) from error
        except ResponseParserError as error:
            said = str(error).partition(", invalid XML")[0].removeprefix("Unable to parse response ")
            raise Unknown(f"the answer is no XML {said}; {errors.IS_IT_EC2}", type(error).__name__) from error
        except (BotoCoreError, ValueError) as error:
            raise Unknown(f"no answer that can be used: {error}", type(error).__name__) from error

    def _answered(self, error: ClientError) -> CloudError:
        said = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        found = errors.remedy(said.get("Code", ""), status, said.get("Message", ""))
        if found.code in errors.AUTH:
            self._forget()  # the secrets are read again for the next call: they may have been changed
        return found

    def _forget(self) -> EC2Client | None:
        """The next call makes a new client. The old one may still be in use by other threads."""
        with self._lock:
            client, self._made = self._made, None
        return client

    def _client(self) -> EC2Client:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> EC2Client:
        made: EC2Client = aws_client.make(
            "ec2",
            account=self._account,
            reveal=self._reveal,
            region=self._config.region,
            endpoint=self._config.endpoint,
            timeout_s=self._config.timeout_s,
            threads=self._threads,
        )
        made.meta.events.register("before-call.ec2.RunInstances", fast_form.encode)
        for call in ("DescribeInstances", "RunInstances"):
            made.meta.events.register(f"before-parse.ec2.{call}", fast_xml.take_apart)
        return made


def _terminate(client: EC2Client, ids: Sequence[str]) -> None:
    answers.required(client.terminate_instances(InstanceIds=ids), "TerminatingInstances")
