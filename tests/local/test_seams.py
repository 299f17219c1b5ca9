"""ministack's private names, used as the plug-in uses them: a new version that moves one fails here, by its name."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pilotlight.local import cloudwatch, lambdas, plugin, scheduler, states, workers
from pilotlight.local.activity import Activity
from pilotlight.local.clock import Clock
from pilotlight.local.fork_server import Started
from pilotlight.local.sagemaker.container import Container
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.runtime import Runtime
from pilotlight.local.sagemaker.storage import S3
from pilotlight.local.stacks import EndpointWaits

MODEL = {"ExecutionRoleArn": "arn:aws:iam::000000000000:role/execution", "PrimaryContainer": {"Image": "image"}}


@pytest.fixture(scope="module")
def sagemaker(tmp_path_factory: pytest.TempPathFactory) -> SageMaker:
    folder = tmp_path_factory.mktemp("endpoints")

    def no_container(_: object) -> Container:
        raise AssertionError("no test here starts a container")

    def no_program(*_: object) -> Started:
        raise AssertionError("no test here trains")

    made = SageMaker(
        region="us-east-1",
        account="000000000000",
        folder=folder,
        storage=S3(None),
        start=no_container,
        program=no_program,
        weights=Path,
        sink=lambda *_: None,
    )
    plugin.install(made, Runtime(made.endpoints), EndpointWaits(made.endpoints))
    return made


def test_the_version_is_the_one_that_was_looked_into() -> None:
    assert version("ministack") == plugin.MINISTACK_VERSION


def test_requests_reach_the_service_by_target_and_by_signature(sagemaker: SageMaker) -> None:
    from ministack import app
    from ministack.core.router import detect_service

    assert "sagemaker" in app.SERVICE_HANDLERS
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/sagemaker/aws4_request"}
    assert detect_service("POST", "/", {"x-amz-target": "SageMaker.ListModels"}, {}) == "sagemaker"
    assert detect_service("POST", "/endpoints/e/invocations", signed, {}) == "sagemaker"
    assert sagemaker.models.list_models()["Models"] == []


def test_cloudformation_creates_and_deletes_through_the_service(sagemaker: SageMaker) -> None:
    from ministack.services.cloudformation.provisioners import _delete_resource, _provision_resource

    arn, attributes = _provision_resource("AWS::SageMaker::Model", "Model", MODEL, "Stack")
    assert [m["ModelName"] for m in sagemaker.models.list_models()["Models"]] == [attributes["ModelName"]]
    assert attributes["ModelName"].startswith("Stack-Model-")
    _delete_resource("AWS::SageMaker::Model", arn, MODEL)
    _delete_resource("AWS::SageMaker::Model", arn, MODEL)  # what is gone already counts as deleted
    assert sagemaker.models.list_models()["Models"] == []


def test_what_aws_would_refuse_is_refused(sagemaker: SageMaker) -> None:
    from ministack.services.cloudformation.provisioners import _provision_resource

    with pytest.raises(Exception, match="ExecutionRoleArn"):
        _provision_resource("AWS::SageMaker::Model", "Model", MODEL | {"ExecutionRoleArn": "no-arn-at-all-it-is"}, "S")
    with pytest.raises(Exception, match="Colour"):
        _provision_resource("AWS::SageMaker::Model", "Model", MODEL | {"Colour": "red"}, "Stack")
    assert sagemaker.models.list_models()["Models"] == []


@pytest.mark.usefixtures("sagemaker")
@pytest.mark.parametrize(
    ("kind", "changed", "replaced"),
    [("Model", "PrimaryContainer", True), ("EndpointConfig", "ProductionVariants", True),
     ("Endpoint", "EndpointName", True), ("Endpoint", "EndpointConfigName", False), ("Model", "Tags", False),
     ("ModelPackageGroup", "ModelPackageGroupDescription", True), ("ModelPackageGroup", "Tags", False)],
)  # fmt: skip
def test_a_change_replaces_what_sagemaker_cannot_update(kind: str, changed: str, replaced: bool) -> None:
    from ministack.services.cloudformation.provisioners import _replacing_change

    old: dict[str, Any] = {changed: "old"}
    assert _replacing_change(f"AWS::SageMaker::{kind}", old, {changed: "new"}) is replaced


@pytest.mark.usefixtures("sagemaker")
def test_an_endpoint_does_not_freeze_the_cloud_while_it_starts() -> None:
    from ministack.services.cloudformation import stacks

    assert stacks._runs_on_worker_thread("AWS::SageMaker::Endpoint")
    assert stacks._runs_on_worker_thread("Custom::Thing")
    assert not stacks._runs_on_worker_thread("AWS::S3::Bucket")


@pytest.mark.parametrize("action", ["describeEndpoint", "listEndpoints"])
def test_scheduler_calls_no_read_only_action(action: str, caplog: pytest.LogCaptureFixture) -> None:
    """A template that relies on one would work here and be refused by AWS."""
    scheduler.call("sagemaker", action, "{}")
    assert f"sagemaker:{action} is read-only" in caplog.text


class StandingHands:
    """A wall clock that nobody winds."""

    def now(self) -> float:
        return 0.0

    def hold(self) -> None: ...

    def move(self, moment: float) -> None: ...

    def release(self) -> None: ...


@pytest.fixture(scope="module")
def clock(sagemaker: SageMaker) -> Clock:
    """Installed over ministack, but not running."""
    activity = Activity()
    made = Clock(StandingHands(), activity)
    states.install(made, activity, sagemaker)
    lambdas.install(made, activity)
    for other in (scheduler, cloudwatch):
        other.install(made)
    return made


@pytest.mark.usefixtures("clock")
def test_schedules_fire_by_the_clock_alone() -> None:
    from ministack.services import eventbridge
    from ministack.services import scheduler as theirs
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    for service in (eventbridge, theirs):
        service.start_scheduler()
        names = ("_scheduler_thread", "_ticker_thread")
        assert all(getattr(service, name, None) is None for name in names)
    assert callable(eventbridge._invoke_target)
    assert all(hasattr(store, "_data") for store in (eventbridge._rules, eventbridge._targets, theirs._schedules))
    assert {"create", "update", "delete"} == _RESOURCE_HANDLERS["AWS::Scheduler::Schedule"].keys()


STEP_FUNCTIONS = (
    "_add_event _executions _fail_execution _find_matching_retrier _resolve_state_machine_arn _run_execution "
    "_run_map_items _run_parallel_branches _run_sub_machine _scaled_sleep _sleep_until _start_execution "
    "_start_sync_execution _stop_execution futures_wait ThreadPoolExecutor _call_lambda _AWS_SDK_SERVICE_MAP "
    "_AWS_SDK_ERROR_PREFIX _AWS_SDK_ERROR_CODE_OVERRIDES _ExecutionError _SERVICE_DISPATCH _describe_execution "
    "_invoke_nested_start_execution _invoke_nested_start_execution_sync _invoke_resource "
    "_invoke_resource_with_timeout _invoke_with_callback _send_task_failure _send_task_success _task_tokens"
)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", STEP_FUNCTIONS.split())
def test_step_functions_looks_its_parts_up_when_it_uses_them(name: str) -> None:
    """A part that is called by another name, or bound early, could not be replaced."""
    import dis
    from types import CodeType

    from ministack.services import stepfunctions

    def names(code: CodeType) -> set[str]:
        nested = [names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
        return {str(i.argval) for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}.union(*nested)

    source = Path(stepfunctions.__file__)
    assert name in names(compile(source.read_text(), str(source), "exec"))


def test_lambda_has_the_parts_that_are_used() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc, sns

    used = "_execute_function _run_with_function_config_scope _route_async_failure _get_func_record_for_ref"
    for name in [*used.split(), "_execution_record_for_config", "invoke_async_with_retry"]:
        assert callable(getattr(lambda_svc, name))
    assert callable(sns._deliver_to_lambda)
    assert callable(sns._threading.Thread)
    assert callable(lambda_runtime.time.time)


@pytest.mark.usefixtures("clock")
def test_alarms_are_evaluated_by_the_clock_alone() -> None:
    from ministack.services import cloudwatch as theirs
    from ministack.services import sns

    assert theirs._evaluate_alarm({"Namespace": "N", "MetricName": "M"}) is None
    used = "_calc_stats _dims_key _dispatch_alarm_actions _evaluate_parent_alarms _record_history _stat_value"
    for name in [*used.split(), "_get_metric_data", "_store_datum"]:
        assert callable(getattr(theirs, name))
    assert all(hasattr(store, "_data") for store in (theirs._alarms, theirs._metrics))
    assert callable(sns._fanout)


def test_workers_answer_as_the_plug_in_makes_them() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    script = workers.changed(lambda_runtime._PYTHON_WORKER_SCRIPT)
    compile(script, "worker", "exec")
    assert "Runtime.MarshalError" in script
    with pytest.raises(RuntimeError, match="has no"):
        workers.changed(script)
    assert callable(lambda_runtime.Worker.invoke)
    assert callable(lambda_runtime.Worker._drain_stderr_bounded)
    assert callable(lambda_svc._execute_function_warm)


def test_cloudformation_has_the_parts_that_are_used() -> None:
    from ministack.services.cloudformation import _stacks, handlers
    from ministack.services.cloudformation import stacks as theirs

    assert hasattr(_stacks, "_data")
    for name in ("_add_event", "_delete_resource", "_roll_back_operation", "_continue_update_rollback_async"):
        assert callable(getattr(theirs, name))
    assert handlers._roll_back_operation is theirs._roll_back_operation
    assert handlers._continue_update_rollback_async is theirs._continue_update_rollback_async
    assert "_cancel_requested" in Path(handlers.__file__).read_text()
