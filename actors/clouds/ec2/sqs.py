"""Spot notices from an SQS queue that an EventBridge rule fills (deploy/spot-notices.json makes both).

A message that was received is hidden for a while and comes again unless it is deleted; so the reader deletes it only
when what it says is written down, and a host that dies in between loses nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from actors.clouds.ec2 import aws_client, errors
from actors.clouds.port import Unknown
from actors.clouds.spot_notices import QueuedMessage
from actors.config.schema import Ec2Account

_MOST = 10  # messages in one answer: the most that SQS gives
_THREADS = 2


class Sqs:
    """The queue at `url`, with the account's credentials. Safe from many threads."""

    def __init__(
        self, *, url: str, region: str, account: Ec2Account | None, reveal: Callable[[str], str], timeout_s: float
    ) -> None:
        self._url, self._region, self._reveal, self._timeout_s = url, region, reveal, timeout_s
        self._account = account or Ec2Account(kind="ec2")
        self._lock = threading.Lock()
        self._made: Any = None

    def receive(self, wait_s: int) -> tuple[QueuedMessage, ...]:
        with self._call() as client:
            got = client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=_MOST, WaitTimeSeconds=wait_s)
            return tuple(
                QueuedMessage(body=one["Body"], receipt=one["ReceiptHandle"]) for one in got.get("Messages", ())
            )

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(messages)]
        with self._call() as client:
            for start in range(0, len(entries), _MOST):
                client.delete_message_batch(QueueUrl=self._url, Entries=entries[start : start + _MOST])

    def close(self) -> None:
        if (client := self._forget()) is not None:
            client.close()

    @contextmanager
    def _call(self) -> Iterator[Any]:
        """A client; whatever goes wrong leaves as a CloudError."""
        try:
            yield self._client()
        except ClientError as error:
            said = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            self._forget()  # the secrets are read again for the next call
            found = errors.remedy(said.get("Code", ""), status, said.get("Message", ""))
            raise type(found)(str(found).replace("EC2 answered", "SQS answered", 1), found.code) from error
        except (BotoCoreError, ResponseParserError, ValueError, KeyError) as error:
            raise Unknown(f"no answer that can be used: {error}", type(error).__name__) from error

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                place = urlsplit(self._url)
                self._made = aws_client.make(
                    "sqs",
                    account=self._account,
                    reveal=self._reveal,
                    region=self._region,
                    endpoint=f"{place.scheme}://{place.netloc}",
                    timeout_s=self._timeout_s,
                    threads=_THREADS,
                )
            return self._made

    def _forget(self) -> Any:
        with self._lock:
            client, self._made = self._made, None
        return client
