"""The model contracts: what a container takes and answers, one adapter each."""

from proxy.contracts.alexatm import AlexaTM
from proxy.contracts.contract import Contract
from proxy.contracts.openai import OpenAI
from proxy.contracts.tgi import TGI

_CONTRACTS: dict[str, Contract] = {"alexatm": AlexaTM(), "tgi": TGI(), "openai": OpenAI()}


def contract_named(name: str) -> Contract:
    """The contract that the catalog calls `name`. Raises ValueError where there is none."""
    if name not in _CONTRACTS:
        raise ValueError(f"CONTRACT is {name!r}, but must be one of {', '.join(_CONTRACTS)}")
    return _CONTRACTS[name]
