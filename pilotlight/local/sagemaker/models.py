"""Models and endpoint configs: names and references only."""

from typing import Any

from pilotlight.local.sagemaker.model_data import check_model_data
from pilotlight.local.sagemaker.records import Account, Record, Table
from pilotlight.local.sagemaker.wire import AwsError

CONTRACT_TAG = "pilotlight:contract"


class Models:
    """Each public method is the operation of the same name."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._models = Table(account, "model", "ModelName")
        self._configs = Table(account, "endpoint-config", "EndpointConfigName")

    def create_model(self, *, ModelName: str, Tags: list[Record] | None = None, **request: Any) -> Record:
        check_model_data(request.get("PrimaryContainer", {}))
        return {"ModelArn": self._models.add(ModelName, Tags, request)}

    def describe_model(self, *, ModelName: str) -> Record:
        return self._models.find(ModelName)

    def delete_model(self, *, ModelName: str) -> Record:
        self._models.remove(ModelName)
        return {}

    def list_models(self, **_: Any) -> Record:
        return {"Models": self._models.summaries()}

    def create_endpoint_config(
        self, *, EndpointConfigName: str, Tags: list[Record] | None = None, **request: Any
    ) -> Record:
        for variant in request["ProductionVariants"]:
            if "InstanceType" in variant and "InstancePools" in variant:
                name = variant["VariantName"]
                raise AwsError("ValidationException", f"Variant {name}: InstancePools come in place of InstanceType.")
            if "ModelName" in variant:
                self._models.find(variant["ModelName"])
        return {"EndpointConfigArn": self._configs.add(EndpointConfigName, Tags, request)}

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> Record:
        return self._configs.find(EndpointConfigName)

    def delete_endpoint_config(self, *, EndpointConfigName: str) -> Record:
        self._configs.remove(EndpointConfigName)
        return {}

    def list_endpoint_configs(self, **_: Any) -> Record:
        return {"EndpointConfigs": self._configs.summaries()}

    def contract(self, model: Record) -> str:
        """The model contract that the Model is tagged with."""
        return self._account.tags_of(model["ModelArn"]).get(CONTRACT_TAG, "alexatm")
