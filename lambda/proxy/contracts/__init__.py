"""The model contracts: what a container takes and answers, one adapter each."""

from proxy.contracts.contract import Contract


def contract_named(name: str) -> Contract:
    """The contract that the catalog calls `name`: a worker imports no other. Raises ValueError where there is none."""
    match name:
        case "alexatm":
            from proxy.contracts.alexatm import AlexaTM

            return AlexaTM()
        case "tgi":
            from proxy.contracts.tgi import TGI

            return TGI()
        case "openai":
            from proxy.contracts.openai import OpenAI

            return OpenAI()
    raise ValueError(f"CONTRACT is {name!r}, but must be one of alexatm, tgi, openai")
