"""Model, endpoint config and endpoint."""

from typing import Any

from aws_cdk import Aws, CfnDeletionPolicy, Fn, IResolvable, Token
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from pilotlight.choice import MODEL_FOLDER
from pilotlight.config import Stage
from stacks.acknowledge import acknowledge
from stacks.constructs.switch_parameters import SwitchParameters

VARIANT_NAME = "AllTraffic"
"""An endpoint update needs the same variant name as before, so it never changes."""

PROVISION_SECONDS = 15 * 60
"""For how long SageMaker looks for instances along the pools; it takes 300 to 3600."""


class ModelEndpoint(Construct):
    """Model and config have generated names, so that a change replaces them; the endpoint's name is its address."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        role_arn: str,
        parameters: SwitchParameters,
    ) -> None:
        super().__init__(scope, construct_id)
        model = self._model(stage, role_arn, parameters)
        config = self._config(stage, model, parameters)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=stage.endpoint_name,
            endpoint_config_name=config.attr_endpoint_config_name,
            # Else an update sets the instances that scaling has added back to the config's.
            retain_all_variant_properties=True if stage.scaling else None,
        )
        self.endpoint.cfn_options.condition = parameters.is_on
        for replaceable in (model, config):
            # A failed change falls back on its predecessor, which must still be there; both are free of charge.
            replaceable.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
            replaceable.cfn_options.deletion_policy = CfnDeletionPolicy.DELETE
        empty = "The empty default of an override means `as configured`, and a condition keeps it from being used."
        acknowledge(self, {"F3031": empty, "W3030": empty})

    def _model(self, stage: Stage, role_arn: str, parameters: SwitchParameters) -> sagemaker.CfnModel:
        return sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=stage.image_uri,
                environment=_environment(stage, parameters),
                model_data_source=self._data(stage, parameters),
            ),
        )

    def _data(self, stage: Stage, parameters: SwitchParameters) -> Any:
        """What SageMaker fetches: nothing where the container fetches its model, but for a tuned one in its place."""
        data = parameters.model_data(stage.model_data_url)
        if stage.model_data_url is None:
            tuned = {
                "S3Uri": data["s3_uri"],
                "S3DataType": data["s3_data_type"],
                "CompressionType": data["compression_type"],
            }
            overridden = parameters.model_data_url_is_overridden.logical_id
            return Fn.condition_if(overridden, {"S3DataSource": tuned}, Aws.NO_VALUE)
        source = sagemaker.CfnModel.S3DataSourceProperty(**data, model_access_config=self._access(stage, parameters))
        return sagemaker.CfnModel.ModelDataSourceProperty(s3_data_source=source)

    def _access(self, stage: Stage, parameters: SwitchParameters) -> IResolvable | None:
        """A gated base model names its licence as accepted; a tuned one in its place lies in a bucket of the
        user's.
        """
        if not stage.gated:
            return None
        accepted = {"AcceptEula": True}
        return Fn.condition_if(parameters.model_data_url_is_overridden.logical_id, Aws.NO_VALUE, accepted)

    def _config(
        self, stage: Stage, model: sagemaker.CfnModel, parameters: SwitchParameters
    ) -> sagemaker.CfnEndpointConfig:
        variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            variant_name=VARIANT_NAME,
            model_name=model.attr_model_name,
            initial_variant_weight=1,
            initial_instance_count=stage.instance_count,
            **_instances(stage, parameters),
            volume_size_in_gb=stage.volume_size_gb,
            model_data_download_timeout_in_seconds=stage.model_data_download_timeout_seconds,
            container_startup_health_check_timeout_in_seconds=stage.container_startup_timeout_seconds,
            inference_ami_version=stage.inference_ami_version,
        )
        return sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[variant],
            # On by default since June 2026, and billed as custom metrics.
            metrics_config=sagemaker.CfnEndpointConfig.MetricsConfigProperty(enable_detailed_observability=False),
        )


def _environment(stage: Stage, parameters: SwitchParameters) -> dict[str, str]:
    environment = dict(stage.environment)
    if stage.model_variable is not None:
        configured = environment.get(stage.model_variable, Aws.NO_VALUE)
        tuned = Fn.condition_if(parameters.model_data_url_is_overridden.logical_id, MODEL_FOLDER, configured)
        environment[stage.model_variable] = Token.as_string(tuned)
    return environment


def _instances(stage: Stage, parameters: SwitchParameters) -> dict[str, Any]:
    """The variant's properties that say which type its instances are of."""
    if not stage.instance_pools:
        return {"instance_type": parameters.instance_type(stage.instance_type)}
    config = sagemaker.CfnEndpointConfig
    return {
        "instance_pools": [
            config.InstancePoolProperty(instance_type=name, priority=rank)
            for rank, name in enumerate(stage.instance_types, start=1)
        ],
        "variant_instance_provision_timeout_in_seconds": PROVISION_SECONDS,
        # At random, a slow type among fast ones would get as many calls as they.
        "routing_config": config.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS"),
    }
