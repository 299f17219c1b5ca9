"""Step Functions as ministack runs it, by the simulated clock and with what it gets wrong put right.

Wait states and retries wait on the clock, as long as AWS would; an execution can be stopped while it waits; starting
one twice is idempotent; what a stopped execution still does leaves its history alone.
"""

import contextlib
import contextvars
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from pilotlight.local.activity import Activity
from pilotlight.local.clock import Clock
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.waiting_tasks import WaitingTasks
from pilotlight.local.waits import Cancelled, Waits

WORK = "state machine execution"

Record = dict[str, Any]

_execution: contextvars.ContextVar[str] = contextvars.ContextVar("execution", default="")
_branches: contextvars.ContextVar["_Branches | None"] = contextvars.ContextVar("branches", default=None)


def install(clock: Clock, activity: Activity, sagemaker: SageMaker) -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack.services import stepfunctions  # noqa: PLC0415  reads its environment when imported

    waits = Waits(activity, WORK)
    clock.add(waits)
    tasks = WaitingTasks(stepfunctions, waits, _execution.get, sagemaker)
    tasks.install()
    _wait_on_the_clock(stepfunctions, waits)
    _count(stepfunctions, activity, tasks.execution_ended)
    _end_for_good(stepfunctions, waits)
    _start_once(stepfunctions)
    _reach_more_services(stepfunctions)


def _wait_on_the_clock(stepfunctions: Any, waits: Waits) -> None:
    def sleep(seconds: float) -> None:
        waits.until(time.time() + seconds, _execution.get())

    def sleep_until(timestamp: str) -> None:
        with contextlib.suppress(ValueError):
            waits.until(datetime.fromisoformat(timestamp).timestamp(), _execution.get())

    find = stepfunctions._find_matching_retrier

    def find_and_wait(retriers: list[Record], error: str, counts: dict[int, int]) -> tuple[Record | None, int]:
        """ministack never waits longer than 60 s, and knows no MaxDelaySeconds: wait here, and let it wait no more."""
        retrier, index = find(retriers, error, counts)
        if retrier is None:
            return None, index
        sleep(retry_delay_seconds(retrier, counts.get(index, 0)))
        return {**retrier, "IntervalSeconds": 0}, index

    stepfunctions._scaled_sleep = sleep
    stepfunctions._sleep_until = sleep_until
    stepfunctions._find_matching_retrier = find_and_wait


def retry_delay_seconds(retrier: Record, retries: int) -> float:
    """How long a Retry waits after so many retries. JitterStrategy is not played: the longest delay that it allows."""
    delay = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries)
    return min(delay, float(retrier.get("MaxDelaySeconds", delay)))


class _Branches:
    """The threads of one Parallel or Map state: work each, while their parent only waits for them. The place that the
    parent holds passes to the last of those that start together, and comes back from the last that ends, so that
    nobody sees a gap.
    """

    def __init__(self, activity: Activity, together: float) -> None:
        self._activity = activity
        self._lock = threading.Lock()
        self._together = together
        self._started = self._running = 0
        self._parent_holds = True

    def start_together(self, count: int) -> None:
        with self._lock:
            self._together = count
            if self._running and self._started >= count and self._parent_holds:
                self._parent_holds = False
                self._activity.end(WORK)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self._started += 1
            self._running += 1
            if self._started >= self._together and self._parent_holds:
                self._parent_holds = False
            else:
                self._activity.begin(WORK)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running or self._parent_holds:
                    self._activity.end(WORK)
                else:
                    self._parent_holds = True


def _count(stepfunctions: Any, activity: Activity, ended: Callable[[str], None]) -> None:
    """Executions are work under way, except while every thread of theirs is in a wait."""
    start, start_sync, run = (
        stepfunctions._start_execution,
        stepfunctions._start_sync_execution,
        stepfunctions._run_execution,
    )

    def starting(operation: Callable[[Record], Any]) -> Callable[[Record], Any]:
        def begun(data: Record) -> Any:
            activity.begin(WORK)
            answer = operation(data)
            if answer[0] >= 400:
                activity.end(WORK)
            return answer

        return begun

    def counted(arn: str) -> None:
        token = _execution.set(arn)
        try:
            with contextlib.suppress(Cancelled):
                run(arn)
        finally:
            _execution.reset(token)
            ended(arn)
            activity.end(WORK)

    stepfunctions._start_execution = starting(start)
    stepfunctions._start_sync_execution = starting(start_sync)
    stepfunctions._run_execution = counted
    _count_branches(stepfunctions, activity)


def _count_branches(stepfunctions: Any, activity: Activity) -> None:
    pool, wait_for = stepfunctions.ThreadPoolExecutor, stepfunctions.futures_wait

    def branching(run_all: Callable[..., Any], together: Callable[[Record], float]) -> Callable[..., Any]:
        def run(state: Record, *arguments: Any) -> Any:
            token = _branches.set(_Branches(activity, together(state)))
            try:
                return run_all(state, *arguments)
            finally:
                _branches.reset(token)

        return run

    def run_one(*arguments: Any, run: Callable[..., Any] = stepfunctions._run_sub_machine) -> Any:
        branches = _branches.get()
        with branches.one() if branches else contextlib.nullcontext():
            return run(*arguments)

    def wait_for_all(futures: list[Any]) -> Any:
        """A Map waits for its items here; a pool starts as many at once as it has workers."""
        if branches := _branches.get():
            branches.start_together(min(len(futures), workers.get()))
        return wait_for(futures)

    workers: contextvars.ContextVar[int] = contextvars.ContextVar("workers", default=1)

    def sized_pool(max_workers: int) -> Any:
        workers.set(max_workers)
        return pool(max_workers=max_workers)

    stepfunctions._run_parallel_branches = branching(
        stepfunctions._run_parallel_branches, lambda state: len(state.get("Branches", []))
    )
    stepfunctions._run_map_items = branching(stepfunctions._run_map_items, lambda _: math.inf)
    stepfunctions._run_sub_machine = run_one
    stepfunctions.futures_wait = wait_for_all
    stepfunctions.ThreadPoolExecutor = sized_pool


def _end_for_good(stepfunctions: Any, waits: Waits) -> None:
    """StopExecution ends waits, and nothing that the execution's thread still does is written over its end."""
    stop, fail, add_event = stepfunctions._stop_execution, stepfunctions._fail_execution, stepfunctions._add_event

    def stop_waiting(data: Record) -> Any:
        answer = stop(data)
        if answer[0] < 400:
            waits.cancel(data["executionArn"])
        return answer

    def fail_if_running(execution: Record, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    def add_while_running(execution: Record, event_type: str, details: Record | None = None) -> Any:
        if execution["status"] == "RUNNING" or event_type.startswith("Execution"):
            return add_event(execution, event_type, details)
        return None

    stepfunctions._stop_execution = stop_waiting
    stepfunctions._fail_execution = fail_if_running
    stepfunctions._add_event = add_while_running


def _start_once(stepfunctions: Any) -> None:
    """As AWS documents StartExecution: the same name and input again, while it runs, answers with the same
    execution; a closed one or another input is ExecutionAlreadyExists.
    """
    start = stepfunctions._start_execution

    def once(data: Record) -> Any:
        machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        arn = f"{(machine or '').replace(':stateMachine:', ':execution:')}:{data.get('name')}"
        running = stepfunctions._executions.get(arn)
        same = running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}")
        if running and same:
            body = {"executionArn": arn, "startDate": running["startDate"]}
            return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body).encode()
        return start(data)

    stepfunctions._start_execution = once


def _reach_more_services(stepfunctions: Any) -> None:
    """aws-sdk integrations of SageMaker and CloudFormation. An error that the service model does not name is the
    service's own exception, as the SDK for Java has it.
    """
    stepfunctions._AWS_SDK_SERVICE_MAP.update(
        sagemaker={"target_prefix": "SageMaker", "protocol": "json"}, cloudformation={"protocol": "query"}
    )
    stepfunctions._AWS_SDK_ERROR_PREFIX.update(sagemaker="SageMaker", cloudformation="CloudFormation")
    stepfunctions._AWS_SDK_ERROR_CODE_OVERRIDES.update(
        sagemaker={"ValidationException": "SageMakerException"},
        cloudformation={"ValidationError": "CloudFormationException"},
    )
    call = stepfunctions._call_lambda

    def call_lambda(reference: str, event: Any) -> Any:
        try:
            return call(reference, event)
        except stepfunctions._ExecutionError as error:
            if error.error == "Lambda.Unknown" and "Rate Exceeded" in str(error.cause):
                error.error = "Lambda.TooManyRequestsException"
            raise

    stepfunctions._call_lambda = call_lambda
