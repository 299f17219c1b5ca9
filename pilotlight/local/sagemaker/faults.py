"""What the local SageMaker can be told to get wrong, and the queue of what is still to come."""

import threading
from dataclasses import dataclass
from typing import Literal, get_args

InvocationFault = Literal["throttle", "slow", "model_error_4xx", "model_error_5xx", "unavailable", "cut", "not_ready"]
ControlFault = Literal["no_capacity", "stuck_creating", "update_failed", "delete_survives", "rollback_failed"]
TrainingFault = Literal["training_no_capacity", "training_crash", "spot_interruption"]
FaultKind = InvocationFault | ControlFault | TrainingFault
INVOCATION_FAULTS: tuple[InvocationFault, ...] = get_args(InvocationFault)
CONTROL_FAULTS: tuple[ControlFault, ...] = get_args(ControlFault)
TRAINING_FAULTS: tuple[TrainingFault, ...] = get_args(TrainingFault)
FAULT_KINDS: tuple[FaultKind, ...] = (*INVOCATION_FAULTS, *CONTROL_FAULTS, *TRAINING_FAULTS)
CAPACITY_FAULTS: tuple[FaultKind, ...] = ("no_capacity", "training_no_capacity")


@dataclass
class Fault:
    """The next `times` occasions fail as `kind`: invocations, or what the kind names.

    `seconds` is how long a slow invocation is held up, or how long a training job without checkpoints is left alone;
    `instance_type` narrows a lack of capacity to that type.
    """

    kind: FaultKind
    times: int = 1
    seconds: float = 5.0
    instance_type: str | None = None


class Faults:
    """A queue, next one first. What its faults hold up goes on when it is cleared: `epoch` tells one clearing from the
    next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.epoch = 0

    def waiting(self) -> list[Fault]:
        with self._lock:
            return list(self._waiting)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
            self.epoch += 1

    def take(self, *kinds: FaultKind, instance_type: str | None = None) -> Fault | None:
        """Use up one time of the first fault that is of one of `kinds` and means instances of this type."""
        with self._lock:
            for fault in self._waiting:
                if fault.kind in kinds and fault.instance_type in (None, instance_type):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None
