"""Tasks of state machines that wait for somebody else: for a callback, a nested execution, or a training job.

They wait by the simulated clock, TimeoutSeconds included, and waiting is not work. Whoever stops the execution, or
lets it run out of time, stops what it waits for.
"""

import contextvars
import json
import math
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilotlight.local.sagemaker import wire
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.waits import Cancelled, Signal, Waits

Record = dict[str, Any]

_CALLBACK = ".waitForTaskToken"
_NESTED = "arn:aws:states:::states:startExecution"
_TRAINING = "arn:aws:states:::sagemaker:createTrainingJob"

_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline", default=math.inf)


class WaitingTasks:
    """`owner` names the execution that a thread runs."""

    def __init__(self, stepfunctions: Any, waits: Waits, owner: Callable[[], str], sagemaker: SageMaker) -> None:
        self._stepfunctions = stepfunctions
        self._waits = waits
        self._owner = owner
        self._sagemaker = sagemaker
        self._children: dict[str, Signal] = {}
        self._closed: set[str] = set()
        """The tokens that nobody may answer any more."""

    def install(self) -> None:
        """Extend ministack in process."""
        self._run_with_timeout = self._stepfunctions._invoke_resource_with_timeout
        self._stepfunctions._invoke_with_callback = self._call_back
        self._stepfunctions._invoke_resource_with_timeout = self._in_time
        self._stepfunctions._invoke_nested_start_execution_sync = self._run_nested
        self._stepfunctions._SERVICE_DISPATCH[_TRAINING] = self._train
        for send in ("_send_task_success", "_send_task_failure"):
            setattr(self._stepfunctions, send, self._unless_closed(getattr(self._stepfunctions, send)))

    def execution_ended(self, arn: str) -> None:
        """To be called while the execution is still work under way."""
        if waiting := self._children.pop(arn, None):
            waiting.set()

    def _in_time(self, resource: str, given: Any, timeout_seconds: float) -> Any:
        """A task with TimeoutSeconds."""
        if ".sync" not in resource:
            return self._run_with_timeout(resource, given, timeout_seconds)
        token = _deadline.set(time.time() + timeout_seconds)
        try:
            return self._stepfunctions._invoke_resource(resource, given)
        finally:
            _deadline.reset(token)

    def _wait(self, signal: Signal, stop: Callable[[], object]) -> None:
        """Until the signal, or the deadline, or the execution is stopped; `stop` ends what was waited for in vain."""
        try:
            if self._waits.until(_deadline.get(), self._owner(), signal):
                return
        except Cancelled:
            stop()
            raise
        stop()
        raise self._error("States.Timeout", "The task did not end within its TimeoutSeconds.")

    def _error(self, name: str, cause: str) -> Exception:
        made: Exception = self._stepfunctions._ExecutionError(name, cause)
        return made

    # Callbacks

    def _call_back(self, resource: str, given: Any, token: str, state: Record) -> Any:
        """Call, then wait for SendTaskSuccess or SendTaskFailure."""
        task: Record = {"event": self._waits.signal(), "result": None, "error": None, "heartbeat": None}
        self._stepfunctions._task_tokens[token] = task
        deadline = _deadline.set(time.time() + state.get("TimeoutSeconds", math.inf))
        try:
            self._stepfunctions._invoke_resource(resource.replace(_CALLBACK, ""), given)
            self._wait(task["event"], lambda: None)
        finally:
            _deadline.reset(deadline)
            self._closed.add(token)
            self._stepfunctions._task_tokens.pop(token, None)
        if failed := task["error"]:
            raise self._error(failed["Error"], failed["Cause"])
        return json.loads(task["result"])

    def _unless_closed(self, send: Callable[[Record], Any]) -> Callable[[Record], Any]:
        """The first answer in time counts; ministack takes the last."""

        def sent(data: Record) -> Any:
            token = data.get("taskToken")
            if token in self._closed:
                return self._stepfunctions.error_response_json(
                    "TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400
                )
            answer = send(data)
            if answer[0] < 400:
                self._closed.add(str(token))
            return answer

        return sent

    # Nested executions

    def _run_nested(self, resource: str, given: Any) -> Record:
        """Start an execution as anybody would, and wait for its end."""
        stepfunctions = self._stepfunctions
        arn = stepfunctions._invoke_nested_start_execution(resource, given)["ExecutionArn"]
        ended = self._children[arn] = self._waits.signal()
        if stepfunctions._executions[arn]["status"] != "RUNNING":
            self.execution_ended(arn)
        self._wait(ended, lambda: stepfunctions._stop_execution({"executionArn": arn}))
        execution = json.loads(stepfunctions._describe_execution({"executionArn": arn})[2])
        described = {key[:1].upper() + key[1:]: value for key, value in execution.items() if value is not None}
        if execution["status"] != "SUCCEEDED":
            raise self._error("States.TaskFailed", json.dumps(described))
        if resource.endswith(".sync:2"):
            described["Output"] = json.loads(described["Output"])
        return described

    # Training jobs

    def _train(self, resource: str, given: Record) -> Record:
        """createTrainingJob: at once the answer, or with .sync the job as it ended."""
        name, jobs = given.get("TrainingJobName", ""), self._sagemaker.training
        answer = self._create(given)
        if not resource.endswith(".sync"):
            return answer
        ended = self._waits.signal()
        jobs.at_end(name, ended.set)
        self._wait(ended, lambda: jobs.stop_training_job(TrainingJobName=name))
        # Step Functions gives the times of this integration in milliseconds.
        described = json.dumps(jobs.describe_training_job(TrainingJobName=name), default=_milliseconds)
        job: Record = json.loads(described)
        if job["TrainingJobStatus"] != "Completed":
            raise self._error("States.TaskFailed", described)
        return job

    def _create(self, request: Record) -> Record:
        headers, body = {"x-amz-target": "SageMaker.CreateTrainingJob"}, json.dumps(request).encode()
        status, _, said = wire.answer(self._sagemaker.operations, headers, body)
        answer: Record = json.loads(said)
        if status >= 400:
            raise self._error("SageMaker.AmazonSageMakerException", answer["message"])
        return answer


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
