"""From a dataset to a better endpoint: one state machine (lambda/finetune takes each step)."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.step_task import A_MINUTE, HALF_AN_HOUR, repeat, step_task

LONGEST_RUN = Duration.days(14)
"""Without waiting for a person: training may take 5 days, waiting for capacity more."""


class FineTuneMachine(Construct):
    """CheckDataset → Plan → Train → Evaluate → Register → (Approve) → Promote → Smoke → Done.

    Each step is asked again while it says `wait`. Every failure passes Rollback, which does nothing where nothing was
    changed, and Notify, which says what happened and what it cost. Started with {"mend": ID}, it does these two for a
    run whose execution was killed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine_name: str,
        checker: lambda_.IFunction,
        stepper: lambda_.IFunction,
        approval_hours: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stepper = stepper
        log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=state_machine_name,
            definition_body=sfn.DefinitionBody.from_chainable(self._definition(checker, approval_hours)),
            timeout=LONGEST_RUN.plus(Duration.hours(approval_hours)),
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL),
            tracing_enabled=True,
        )
        acknowledge(
            self,
            {
                wildcard(self, "*"): "Log deliveries and X-Ray have no resource level.",
                **{
                    wildcard(self, f"{function.function_arn}:*"): "Any version of the one function."
                    for function in (checker, stepper)
                },
            },
        )

    def _definition(self, checker: lambda_.IFunction, approval_hours: int) -> sfn.IChainable:
        failed = self._failures()
        done = self._step("Done", failed).next(sfn.Succeed(self, "Served"))
        smoke = self._looked_at("Smoke", failed, done, "Real prompts through the public API")
        promote = self._looked_at("Promote", failed, smoke, "The switch serves the tuned model")
        approve = self._approval(failed, approval_hours, promote)
        asked = (
            sfn.Choice(self, "Approval asked for?")
            .when(sfn.Condition.boolean_equals("$.approve", True), approve)
            .otherwise(promote)
        )
        register = self._looked_at("Register", failed, asked, "A version in the model registry, with its lineage")
        evaluate = self._looked_at("Evaluate", failed, register, "Base and tuned on unseen rows: a gate")
        train = self._looked_at("Train", failed, evaluate, "On the next instance type where there is no capacity")
        plan = self._looked_at("Plan", failed, train, "What does not fit is refused before anything is paid for")
        check = self._looked_at(
            "CheckDataset",
            failed,
            plan,
            "Every row, in constant memory",
            function=checker,
            ends={"nothing": sfn.Succeed(self, "Told twice", comment="Another execution has the same run.toml")},
        )
        begin = sfn.Pass(
            self,
            "Begin",
            parameters={"id": sfn.JsonPath.string_at("$$.Execution.Name"), "given": sfn.JsonPath.object_at("$")},
        )
        mend = sfn.Pass(self, "Mend", parameters={"id": sfn.JsonPath.string_at("$.mend"), "mends": True})
        return (
            sfn.Choice(self, "A killed run?")
            .when(sfn.Condition.is_present("$.mend"), mend.next(failed))
            .otherwise(begin.next(check))
        )

    def _failures(self) -> sfn.IChainable:
        """Where every failure ends: Rollback → Notify → Failed, or Mended."""
        notify = self._task("Notify", self._stepper, "What happened, what it cost, what to do")
        ended = sfn.Fail(self, "Failed", error="FineTuneFailed", cause_path="$.message")
        notify.add_catch(sfn.Fail(self, "NotTold", error="NotifyFailed", cause="The log of Notify says why."))
        notify.next(
            sfn.Choice(self, "Mended?")
            .when(sfn.Condition.is_present("$.mends"), sfn.Succeed(self, "Mended"))
            .otherwise(ended)
        )
        rollback = self._task("Rollback", self._stepper, "The previous model again, where it was replaced")
        rollback.add_catch(notify, result_path="$.failure")
        again = sfn.Wait(self, "WaitForRollback", time=sfn.WaitTime.seconds_path("$.wait_seconds"))
        rollback.next(
            sfn.Choice(self, "Rolled back?")
            .when(sfn.Condition.string_equals("$.next", "wait"), again.next(rollback))
            .otherwise(notify)
        )
        return rollback

    def _looked_at(
        self,
        name: str,
        failed: sfn.IChainable,
        following: sfn.IChainable,
        comment: str,
        *,
        function: lambda_.IFunction | None = None,
        ends: Mapping[str, sfn.IChainable] | None = None,
    ) -> sfn.TaskStateBase:
        """The step, asked again while it waits, and what follows it. `ends` are others that it may name."""
        task = self._step(name, failed, comment, function=function)
        wait = sfn.Wait(self, f"WaitFor{name}", time=sfn.WaitTime.seconds_path("$.wait_seconds"))
        choice = sfn.Choice(self, f"{name}: what next?")
        choice.when(sfn.Condition.string_equals("$.next", "wait"), wait.next(task))
        choice.when(sfn.Condition.string_equals("$.next", "failed"), failed)
        for said, end in (ends or {}).items():
            choice.when(sfn.Condition.string_equals("$.next", said), end)
        task.next(choice.otherwise(following))
        return task

    def _approval(self, failed: sfn.IChainable, hours: int, following: sfn.IChainable) -> sfn.TaskStateBase:
        task = tasks.LambdaInvoke(
            self,
            "Approve",
            comment="A person says so, or nothing changes",
            lambda_function=self._stepper,
            integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
            task_timeout=sfn.Timeout.duration(Duration.hours(hours)),
            retry_on_service_exceptions=False,
            payload=sfn.TaskInput.from_object(_payload("Approve", {"token": sfn.JsonPath.task_token})),
            result_path=sfn.JsonPath.DISCARD,
        )
        task.add_retry(errors=["Rejected"], max_attempts=0)  # a person's no
        repeat(task, errors="States.TaskFailed", repetitions=HALF_AN_HOUR)  # which a person's silence is not
        task.add_catch(failed, result_path="$.failure")
        task.next(following)
        return task

    def _step(
        self, name: str, failed: sfn.IChainable, comment: str = "", *, function: lambda_.IFunction | None = None
    ) -> tasks.LambdaInvoke:
        task = self._task(name, function or self._stepper, comment)
        task.add_catch(failed, result_path="$.failure")
        return task

    def _task(self, name: str, function: lambda_.IFunction, comment: str) -> tasks.LambdaInvoke:
        # Before anything is paid for a soon answer is worth more than a failure outlived: a check may take 15 minutes.
        repetitions = HALF_AN_HOUR if function is self._stepper else A_MINUTE
        return step_task(
            self, name, function=function, payload=_payload(name, {}), comment=comment, repetitions=repetitions
        )


def _payload(step: str, more: Mapping[str, str]) -> dict[str, object]:
    """`state` is whatever the last state left: the run's id and, at the beginning, what was given."""
    return {
        "step": step,
        "state": sfn.JsonPath.object_at("$"),
        "execution": sfn.JsonPath.string_at("$$.Execution.Id"),
        "now": sfn.JsonPath.string_at("$$.State.EnteredTime"),
        **more,
    }
