"""Lambda as ministack runs it, with asynchronous invocations as AWS makes them: counted as work under way, and retried
twice, after one and two minutes of simulated time.
"""

import contextlib
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pilotlight.local.activity import Activity
from pilotlight.local.clock import Clock
from pilotlight.local.waits import Waits

RETRY_SECONDS = (60.0, 120.0)
WORK = "asynchronous Lambda invocation"
_EVENT_AGE_SECONDS = 21_600

Record = dict[str, Any]


def install(clock: Clock, activity: Activity) -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack.core import lambda_runtime  # noqa: PLC0415  read their environment when imported
    from ministack.services import eventbridge, lambda_svc, sns  # noqa: PLC0415

    # It measures how long it has been draining a worker's log by the wall clock, which may stand still.
    lambda_runtime.time = SimpleNamespace(time=time.monotonic, monotonic=time.monotonic, sleep=time.sleep)
    waits = Waits(activity, WORK)
    clock.add(waits)
    lambda_svc.invoke_async_with_retry = _asynchronous(activity, waits)
    eventbridge._dispatch_to_lambda = _dispatch_to_lambda
    deliver = sns._deliver_to_lambda
    sns._threading = _CountingThreads(activity, sns._threading, only=deliver)


class _CountingThreads:
    """`threading` for a module whose threads that run `only` are work under way."""

    def __init__(self, activity: Activity, real: Any, *, only: Callable[..., Any]) -> None:
        self._activity = activity
        self._real = real
        self._only = only

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def Thread(self, target: Callable[..., Any], args: tuple[Any, ...] = (), **options: Any) -> Any:  # noqa: N802
        if self._only not in args:
            return self._real.Thread(target=target, args=args, **options)
        # Started at once by the caller, so counted from here.
        self._activity.begin(WORK)

        def counted() -> None:
            try:
                target(*args)
            finally:
                self._activity.end(WORK)

        return self._real.Thread(target=counted, **options)


def _dispatch_to_lambda(arn: str, payload: str) -> None:
    """EventBridge invokes asynchronously; ministack's own way knows no retries."""
    from ministack.services import lambda_svc  # noqa: PLC0415

    event: Any = {"body": payload}
    with contextlib.suppress(ValueError):
        event = json.loads(payload)
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        lambda_svc.logger.warning("EventBridge → Lambda: function %s not found", name)
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)


def _asynchronous(activity: Activity, waits: Waits) -> Callable[[Record, Any], None]:
    from ministack.services import lambda_svc  # noqa: PLC0415

    def attempts(function: Record, event: Any) -> None:
        config = function.get("config") or function
        settings = function.get("event_invoke_config") or {}
        retries = settings.get("MaximumRetryAttempts", len(RETRY_SECONDS))
        given_up_at = time.time() + settings.get("MaximumEventAgeInSeconds", _EVENT_AGE_SECONDS)
        delays = RETRY_SECONDS[:retries]
        result = lambda_svc._execute_function(function, event)
        for delay in delays:
            if not result.get("error") or time.time() + delay > given_up_at:
                break
            waits.until(time.time() + delay)
            result = lambda_svc._execute_function(function, event)
        destination = (settings.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
        destination = destination or (config.get("DeadLetterConfig") or {}).get("TargetArn")
        if result.get("error") and destination:
            lambda_svc._route_async_failure(destination, config["FunctionName"], event, result)

    def invoke(function: Record, event: Any) -> None:
        activity.spawn(WORK, lambda_svc._run_with_function_config_scope, function, attempts, function, event)

    return invoke
