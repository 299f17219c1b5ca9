"""The switch: one state machine that performs every change of the endpoint (lambda/switch decides each step)."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.acknowledge import acknowledge, wildcard
from stacks.constructs.step_task import step_task


class SwitchMachine(Construct):
    """Step → Wait → Step … until the endpoint is as asked, or somebody has been told why it is not.

    All memory is in the loop's `$.memory`: an execution that is killed leaves nothing behind but the world as it
    is, which the next one looks at.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, state_machine_name: str, function: lambda_.IFunction
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=state_machine_name,
            definition_body=sfn.DefinitionBody.from_chainable(self._definition(function)),
            timeout=Duration.hours(24),
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL),
            tracing_enabled=True,
        )
        acknowledge(
            self,
            {
                wildcard(self, "*"): "Log deliveries and X-Ray have no resource level.",
                wildcard(self, f"{function.function_arn}:*"): "Any version of the one function.",
            },
        )

    def _definition(self, function: lambda_.IFunction) -> sfn.IChainable:
        step = self._task(
            "Step", function, {"memory": sfn.JsonPath.object_at("$.memory")}, "Look, decide, act: one thing at a time"
        )
        tell = self._task(
            "Tell",
            function,
            {"failure": sfn.JsonPath.object_at("$.failure"), "memory": sfn.JsonPath.object_at("$.memory")},
            "A step failed for good: tell a person",
        )
        # Who started it reads the same object from the output, or from the cause.
        done = sfn.Succeed(self, "Done", output_path="$.result")
        failed = sfn.Fail(self, "Failed", error="SwitchFailed", cause_path="States.JsonToString($.result)")
        untold = sfn.Fail(self, "Untold", error="SwitchBroken", cause="Nobody could be told; the log of Tell says why.")
        tell.add_catch(untold)
        step.add_catch(tell.next(failed), result_path="$.failure")
        wait = sfn.Wait(self, "Wait", time=sfn.WaitTime.seconds_path("$.wait_seconds"))
        outcome = (
            sfn.Choice(self, "Settled?")
            .when(sfn.Condition.string_equals("$.next", "wait"), wait)
            .when(sfn.Condition.string_equals("$.next", "done"), done)
            .otherwise(failed)
        )
        wait.next(step)
        begin = sfn.Pass(self, "Begin", result=sfn.Result.from_object({"memory": {}}))
        return begin.next(step).next(outcome)

    def _task(
        self, name: str, function: lambda_.IFunction, more: dict[str, object], comment: str
    ) -> tasks.LambdaInvoke:
        return step_task(
            self,
            name,
            function=function,
            comment=comment,
            payload={
                "request": sfn.JsonPath.object_at("$$.Execution.Input"),
                "execution": sfn.JsonPath.string_at("$$.Execution.Id"),
                "now": sfn.JsonPath.string_at("$$.State.EnteredTime"),
                **more,
            },
        )
