"""The switch: what it asks of CloudFormation, and whom it believes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.deployment import Deployment
from pilotlight.switch import Switch, SwitchError, changes_for, parameters

NAMES = ["EndpointState", "TurnOffAt", "ModelDataUrl", "InstanceType", "OverrideFor"]
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class TestParameters:
    @given(changed=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=9)))
    def test_every_parameter_is_sent_and_what_is_not_changed_keeps_its_value(self, changed: dict[str, str]) -> None:
        current = [{"ParameterKey": name, "ParameterValue": "old"} for name in NAMES]
        sent = parameters(current, changed)
        assert [p["ParameterKey"] for p in sent] == NAMES
        for parameter in sent:
            name = parameter["ParameterKey"]
            if name in changed:
                assert parameter == {"ParameterKey": name, "ParameterValue": changed[name]}
            else:
                assert parameter == {"ParameterKey": name, "UsePreviousValue": True}

    def test_a_stack_that_lacks_a_parameter_is_refused_by_its_name(self) -> None:
        with pytest.raises(SwitchError, match="TurnOffAt"):
            parameters([{"ParameterKey": "EndpointState", "ParameterValue": "off"}], changes_for_on())


def changes_for_on() -> dict[str, str]:
    return changes_for("on", now=NOW, lifetime_hours=12)


class TestChanges:
    @given(
        now=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone(timedelta(hours=5)))),
        hours=st.integers(1, 168),
    )
    def test_on_always_comes_with_its_end_in_utc(self, now: datetime, hours: int) -> None:
        changes = changes_for("on", now=now, lifetime_hours=hours)
        end = datetime.strptime(changes["TurnOffAt"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        assert changes["EndpointState"] == "on"
        assert timedelta(0) <= now + timedelta(hours=hours) - end < timedelta(seconds=1)

    def test_off_forgets_the_end(self) -> None:
        assert changes_for("off", now=NOW, lifetime_hours=12) == {"EndpointState": "off", "TurnOffAt": ""}


class FakeAws:
    """One stack and one endpoint, answering in the order a test gives; every answer must be asked for."""

    def __init__(self, stacks: list[dict[str, Any]], endpoints: list[dict[str, Any] | None]) -> None:
        self._stacks: Iterator[dict[str, Any]] = iter(stacks)
        self._endpoints = iter(endpoints)
        self.updates: list[dict[str, Any]] = []

    def describe_stack(self) -> dict[str, Any]:
        return next(self._stacks)

    def update_stack(self, **request: Any) -> None:
        self.updates.append(request)

    def describe_endpoint(self, **_: str) -> dict[str, Any]:
        endpoint = next(self._endpoints)
        if endpoint is None:
            error = {"Code": "ValidationException", "Message": "Could not find endpoint."}
            raise ClientError({"Error": error}, "DescribeEndpoint")  # type: ignore[typeddict-item]
        return endpoint

    def describe_stack_resources(self, **_: str) -> dict[str, Any]:
        arn = "arn:aws:sagemaker:us-east-1:1:endpoint-config/config-new"
        return {"StackResources": [{"ResourceType": "AWS::SageMaker::EndpointConfig", "PhysicalResourceId": arn}]}

    def describe_stack_events(self, **_: str) -> dict[str, Any]:
        return {"StackEvents": [{"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "no capacity"}]}

    def assert_consumed(self) -> None:
        assert next(self._stacks, None) is None
        assert next(self._endpoints, "nothing") == "nothing"


class FakeDeployment(Deployment):
    """The seam: where the clients come from."""

    def __init__(self, aws: FakeAws) -> None:
        super().__init__("dev", "us-east-1")
        object.__setattr__(self, "aws", aws)

    endpoint_name = "pilotlight-dev"

    def client(self, service: str) -> Any:  # noqa: ARG002
        return self.aws  # type: ignore[attr-defined]

    def describe_stack(self, role: str) -> dict[str, Any]:
        assert role == "Endpoint"
        found: dict[str, Any] = self.aws.describe_stack()  # type: ignore[attr-defined]
        return found


def stack(status: str, state: str) -> dict[str, Any]:
    values = dict.fromkeys(NAMES, "") | {"EndpointState": state}
    listed = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
    return {"StackName": "Pilotlight-dev-Endpoint", "StackStatus": status, "Parameters": listed}


def endpoint(status: str, config: str = "Config-New") -> dict[str, Any]:
    return {"EndpointStatus": status, "EndpointConfigName": config}


def switch(aws: FakeAws) -> Switch:
    return Switch(FakeDeployment(aws), sleep=lambda _: None, monotonic=lambda: 0.0)


class TestTurning:
    def test_it_waits_for_the_update_and_then_asks_sagemaker(self) -> None:
        aws = FakeAws(
            [stack("CREATE_COMPLETE", "off"), stack("UPDATE_IN_PROGRESS", "on"), stack("UPDATE_COMPLETE", "on")],
            [endpoint("Creating"), endpoint("InService"), endpoint("InService")],
        )
        outcome = switch(aws).turn("on", now=NOW, lifetime_hours=12)
        assert outcome.changed
        assert aws.updates[0]["UsePreviousTemplate"] is True
        assert {"ParameterKey": "TurnOffAt", "ParameterValue": "2026-11-23T00:00:00"} in aws.updates[0]["Parameters"]
        aws.assert_consumed()

    def test_nothing_is_updated_where_the_state_is_right_already(self) -> None:
        aws = FakeAws([stack("UPDATE_COMPLETE", "off")], [None])
        assert not switch(aws).turn("off", now=NOW, lifetime_hours=0).changed
        assert aws.updates == []

    def test_an_endpoint_deleted_beside_the_stack_is_lit_again(self) -> None:
        """The stack still says on, and would find nothing to update: so it is told off first."""
        aws = FakeAws(
            [stack("UPDATE_COMPLETE", state) for state in ("on", "off", "on")],
            [None, endpoint("InService"), endpoint("InService")],
        )
        assert switch(aws).turn("on", now=NOW, lifetime_hours=12).changed
        sent = [{p["ParameterKey"]: p.get("ParameterValue") for p in update["Parameters"]} for update in aws.updates]
        assert [update["EndpointState"] for update in sent] == ["off", "on"]
        aws.assert_consumed()

    def test_an_endpoint_that_survived_an_off_is_told_as_still_billing(self) -> None:
        """CloudFormation reports UPDATE_COMPLETE even then."""
        aws = FakeAws([stack("UPDATE_COMPLETE", "on"), stack("UPDATE_COMPLETE", "off")], [endpoint("InService")] * 2)
        with pytest.raises(SwitchError, match=r"is InService.*STILL COSTS MONEY"):
            switch(aws).turn("off", now=NOW, lifetime_hours=0)

    def test_in_service_on_the_old_config_is_not_on(self) -> None:
        """How SageMaker ends after a rolled-back update."""
        aws = FakeAws(
            [stack("UPDATE_COMPLETE", "off"), stack("UPDATE_COMPLETE", "on")], [endpoint("InService", "old-config")] * 2
        )
        with pytest.raises(SwitchError, match="was to be on"):
            switch(aws).turn("on", now=NOW, lifetime_hours=12)

    def test_a_failed_wake_says_why_and_that_nothing_is_billed(self) -> None:
        aws = FakeAws([stack("CREATE_COMPLETE", "off"), stack("UPDATE_ROLLBACK_COMPLETE", "off")], [None, None])
        with pytest.raises(SwitchError, match=r"no capacity.*costs nothing"):
            switch(aws).turn("on", now=NOW, lifetime_hours=12)

    def test_a_stack_that_takes_no_update_is_named_with_its_status(self) -> None:
        aws = FakeAws([stack("UPDATE_ROLLBACK_FAILED", "off")], [])
        with pytest.raises(SwitchError, match="UPDATE_ROLLBACK_FAILED"):
            switch(aws).turn("on", now=NOW, lifetime_hours=12)
