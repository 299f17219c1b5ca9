"""The parameters through which a deployed endpoint is changed, and nothing else changes it (docs/decisions.md)."""

from typing import Any, cast

from aws_cdk import CfnCondition, CfnParameter, CfnRule, CfnRuleAssertion, Fn, ICfnConditionExpression, Token
from constructs import Construct


class SwitchParameters(Construct):
    """`EndpointState` switches, `TurnOffAt` and `DeleteAt` state the end; `ModelDataUrl` and `InstanceType` override
    while `OverrideFor` holds, and `ModelDataCompression` says how the model at that URL lies.

    `cdk deploy` sends the previous value of every parameter that exists. A model written as a parameter's default
    would therefore ignore later edits of pilotlight.toml, and an override would outlive the model it was made for:
    so the template carries the configured values itself, and an override holds only for the `fingerprint` it was
    made for. With instance pools SageMaker chooses the type, and there is no `InstanceType`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fingerprint: str, instance_pools: bool) -> None:
        super().__init__(scope, construct_id)
        self._stack = scope
        state = self._parameter(
            "EndpointState",
            "Whether the endpoint exists and is billed.",
            default="off",
            allowed_values=["on", "off"],
        )
        turn_off_at, delete_at = (
            self._parameter(name, says, allowed_pattern=r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})?")
            for name, says in (
                ("TurnOffAt", "UTC time, to the second, at which the hard stop starts the switch."),
                ("DeleteAt", "UTC time, to the second, half an hour later: the hard stop deletes the endpoint itself."),
            )
        )
        self.turn_off_at = turn_off_at.value_as_string
        self.delete_at = delete_at.value_as_string
        self._model_data_url = self._parameter(
            "ModelDataUrl",
            "S3 prefix, or model.tar.gz, served instead of the configured model's; empty: as configured.",
            allowed_pattern=r"(s3://.+/(model\.tar\.gz)?)?",
        )
        # No condition can tell how a URL ends (docs/decisions.md).
        compression = self._parameter(
            "ModelDataCompression",
            "Gzip where ModelDataUrl is a model.tar.gz; the switch sends it with the URL.",
            default="None",
            allowed_values=["None", "Gzip"],
        )
        self._instance_type = None
        if not instance_pools:
            self._instance_type = self._parameter(
                "InstanceType",
                "Instance type instead of the configured one; empty: as configured.",
                allowed_pattern=r"(ml\..+)?",
            )
        override_for = self._parameter(
            "OverrideFor", "Fingerprint of the configuration that the overrides were made for."
        )

        self.is_on = CfnCondition(scope, "EndpointIsOn", expression=Fn.condition_equals(state.value_as_string, "on"))
        override_holds = CfnCondition(
            scope, "OverrideHolds", expression=Fn.condition_equals(override_for.value_as_string, fingerprint)
        )

        def overridden(parameter: CfnParameter) -> CfnCondition:
            given = Fn.condition_not(Fn.condition_equals(parameter.value_as_string, ""))
            holds = cast(ICfnConditionExpression, override_holds)
            name = f"{parameter.node.id}IsOverridden"
            return CfnCondition(scope, name, expression=Fn.condition_and(holds, given))

        self.model_data_url_is_overridden = overridden(self._model_data_url)
        self._archive_overrides = CfnCondition(
            scope,
            "ArchiveOverrides",
            expression=Fn.condition_and(
                cast(ICfnConditionExpression, self.model_data_url_is_overridden),
                Fn.condition_equals(compression.value_as_string, "Gzip"),
            ),
        )
        self._instance_type_is_overridden = overridden(self._instance_type) if self._instance_type else None
        CfnRule(
            scope,
            "OnNeedsAnEnd",
            rule_condition=Fn.condition_equals(state.value_as_string, "on"),
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_not(Fn.condition_equals(end.value_as_string, "")),
                    assert_description=f"EndpointState on needs {end.node.id}; `pilot on` sends all three.",
                )
                for end in (turn_off_at, delete_at)
            ],
        )

    def model_data(self, configured: str | None) -> dict[str, Any]:
        """How and where the model lies, in the words of CfnModel's S3DataSourceProperty; without a configured prefix
        there is none but for an override.
        """
        url = self._model_data_url.value_as_string
        return {
            "s3_uri": url if configured is None else _either(self.model_data_url_is_overridden, url, configured),
            "s3_data_type": _either(self._archive_overrides, "S3Object", "S3Prefix"),
            "compression_type": _either(self._archive_overrides, "Gzip", "None"),
        }

    def instance_type(self, configured: str) -> str:
        """Not with instance pools."""
        if self._instance_type_is_overridden is None or self._instance_type is None:
            raise ValueError("With instance pools no single type is configured.")
        return _either(self._instance_type_is_overridden, self._instance_type.value_as_string, configured)

    def _parameter(
        self,
        name: str,
        description: str,
        *,
        default: str = "",
        allowed_values: list[str] | None = None,
        allowed_pattern: str | None = None,
    ) -> CfnParameter:
        return CfnParameter(
            self._stack,
            name,
            description=description,
            default=default,
            allowed_values=allowed_values,
            allowed_pattern=allowed_pattern,
        )


def _either(condition: CfnCondition, override: str, configured: str) -> str:
    return Token.as_string(Fn.condition_if(condition.logical_id, override, configured))
