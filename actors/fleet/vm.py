"""A VM as its row says it, and the launch intent that stands before it.

One VM, one row, one writer: the holder of its cloud's post. Busy and idle are not here, they are observations; nor is
"the ad is missing". A row holds what was decided and what was proven, with its reason and its time (Redis seconds).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from actors.fleet.drain_and_hold import DrainFor, DrainWhy, HoldBy, VmHold


class State(StrEnum):
    LAUNCHING = "launching"
    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    DRAINED = "drained"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"


KEPT_S = 3_600.0  # the row of a VM that ended
ALIVE = frozenset(State) - {State.ENDED, State.FAILED}  # they hold quota
SUPPLY = frozenset({State.LAUNCHING, State.BOOTING, State.READY})  # they serve a want; draining ones do not


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """The row of one VM. Empty text and 0 mean "not so"."""

    id: str  # "<intent>-<index>"; "adopted-<instance id>" where that is not known or taken
    cloud: str
    queue: str
    state: State
    since: float  # when it entered `state`
    born: float  # when the launch was written down; the cloud's launch time if adopted
    reason: str  # why it is in `state`: a sentence
    intent: str = ""
    instance_id: str = ""
    address: str = ""
    machine: str = ""  # the startd's name, once it joined
    machine_address: str = ""  # its sinful string
    joined: float = 0.0
    hold: VmHold | None = None  # no policy drains it, nothing ends it
    held_tag: str = ""  # the tag that its cloud was last asked to keep for a hold; stays when it is released
    tagged: float = 0.0  # when that was decided
    killed: str = ""  # the id of the operator's kill: ended without a drain
    pool: str = ""  # what its worker was told to join (see `told`); empty: not known
    astray: float = 0.0  # since when: it should have joined, and no reading is of the pool that it was told
    silent: float = 0.0  # since when its launch gets no answer, as the submitter found; others are bought elsewhere
    unwanted: float = 0.0  # since when: booting and not wanted any more, to be drained when it joins
    nonce: str = ""  # of the drain that is ours; a new one for each request
    drain_for: DrainFor | None = None  # what it is drained for: what may be taken back, and what not
    drain_asked: float = 0.0  # when the request with `nonce` was accepted by the startd; 0: not yet
    cancel_unknown: float = 0.0  # when its drain was asked to be taken back, until an answer is known; 0: not
    request_id: str = ""  # of the accepted request, to cancel by
    drains: int = 0  # how many drain requests were written down for it: part of the next nonce
    drain_begun: float = 0.0  # when its last drain was decided, even if that was taken back
    final: float = (
        0.0  # since when its startd would evict at a drain, so it is drained while idle; 0: not, or not known
    )
    evicted: float = 0.0  # when its tier's drain deadline was over and its jobs were to be evicted
    evict_asked: float = 0.0  # when its startd took that
    drain_waits: str = ""  # why a drain that was chosen has not begun: the disruption budget's sentence
    drain_refused: str = ""  # the startd's answer, when it refused: shown to the operator, asked again later
    refused_at: float = 0.0
    end_asked: float = 0.0  # when the cloud accepted the end call; 0: not yet
    ran_s: float = 0.0  # how long it ran, where its cloud tells; 0: not known
    short: bool = False  # it ended by itself, and sooner than anything of use does
    lost: str = ""  # ended by someone else: spot, crash, dead man's switch
    usd_per_hour: float = 0.0
    market: str = ""
    notice: str = ""  # the cloud's word that it will take it ("interruption") or may ("rebalance")
    noticed: float = 0.0  # when that was read
    image: str = ""  # what it was started from: the image, or the launch template
    promise: str = ""  # what it was made from, all together (see `config_promise`); empty: not known

    @property
    def held(self) -> str:
        """Why it is held; empty: it is not."""
        return self.hold.why if self.hold else ""

    @property
    def held_by(self) -> HoldBy | None:
        return self.hold.by if self.hold else None

    @property
    def drain_wish(self) -> str:
        """The id of the wish that it is drained for; empty where it is for something else."""
        return self.drain_for.wish_id if self.drain_for else ""

    @property
    def given_up(self) -> bool:
        """Its drain is policy's, be it final or not."""
        return self.drain_for is not None and self.drain_for.why is DrainWhy.POLICY

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def supply(self) -> bool:
        """Counts as supply for its queue's want. An unwanted booting VM is already given up, as is one that its cloud
        will take away; nobody waits for one that is astray, or whose launch gets no answer.
        """
        return self.state in SUPPLY and not (self.unwanted or self.notice or self.astray or self.awaits_answer)

    @property
    def awaits_answer(self) -> bool:
        """Whether the cloud owes an answer for so long that its jobs look elsewhere."""
        return bool(self.silent) and self.state is State.LAUNCHING


class Launch(StrEnum):
    """How a launch intent stands. It is written as sent: after a crash nobody knows whether it was."""

    SENT = "sent"  # an answer is missing, or it was throttled: the same request goes out again
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A launch written down before the call. The request is frozen: a repeat is the same to the byte."""

    id: str
    cloud: str
    queue: str
    count: int
    token: str  # the ClientToken, at most 64 ASCII characters
    request: str = field(
        repr=False
    )  # JSON of the whole request; dropped once the launch is resolved, as it holds the worker's token
    written: float
    state: Launch = Launch.SENT
    unknown: str = ""  # the call may have worked; what it answered
    tried: float = 0.0  # when it was last sent or looked up
    tries: int = 0
    reason: str = ""
    decision: str = ""  # the want's decision id
