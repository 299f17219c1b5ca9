"""The process that SageMaker starts: reads the job, runs its task, and says in `output/failure` why it could not.

Exit code 0 for a model that is written, 1 for a failure, 143 for an interruption after which the job can go on.
"""

# ruff: noqa: PLC0415 - torch takes seconds to import: a wrong hyperparameter is refused before, a SIGTERM heard before

import os
import sys
import time
import traceback

from training import hyperparameters, launch
from training.errors import InterruptedRun, TrainingError
from training.layout import Layout
from training.stop import Stop

INTERRUPTED = 128 + 15
OFFLINE_AND_QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
"""The job is isolated from the network; whatever transformers wants to ask would only time out."""


def main() -> int:
    layout = Layout.from_environment(os.environ)
    stop = Stop()
    stop.listen()
    try:
        return _run(layout, stop)
    except InterruptedRun:
        _say("The process was asked to end: what was learned is in the checkpoint")
        return INTERRUPTED
    except TrainingError as exc:
        sentence = str(exc)
    except Exception as exc:  # noqa: BLE001 - whatever breaks, the job's owner reads a reason
        traceback.print_exc()
        sentence = _unforeseen(exc)
    _say(sentence)
    layout.write_failure(sentence)
    return 1


def _run(layout: Layout, stop: Stop) -> int:
    asked = hyperparameters.read(layout.config("hyperparameters.json"))
    os.environ.update(OFFLINE_AND_QUIET)
    # Threads that wait by spinning take four times the CPU time on a machine that anything else uses (measured).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if asked.preprocessing_num_workers is not None:
        os.environ["RAYON_NUM_THREADS"] = str(asked.preprocessing_num_workers)  # the tokenizer's threads
    arguments = launch.torchrun_arguments(asked, layout.config("resourceconfig.json"), _gpus(), os.environ)
    if arguments is not None:
        return _torchrun(layout, arguments, stop)
    from training.world import join, leave

    world = join()
    say = _say if world.leads else _be_silent
    if asked.pilotlight_task == "evaluate":
        from training import evaluate

        evaluate.run(layout, asked, stop, say=say)
    else:
        from training import train

        train.run(layout, asked, world, stop, say=say, clock=time.monotonic)
    leave(world)
    return 0


def _torchrun(layout: Layout, arguments: list[str], stop: Stop) -> int:
    code = launch.torchrun(arguments, stop)
    if stop.asked:
        raise InterruptedRun
    if code != 0 and not layout.has_failed:
        raise TrainingError(f"A training process ended with code {code} without a word: its log says more.")
    return code


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _unforeseen(error: Exception) -> str:
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return (
            "The GPU's memory is too small: lower per_device_train_batch_size or max_input_length, set"
            f" int8_quantization to True, or choose an instance type with more memory. {error}"
        )
    return f"{type(error).__name__}: {error}"


def _say(line: str) -> None:
    print(line, flush=True)


def _be_silent(_line: str) -> None:
    """Of many processes one speaks: a metric printed twice would be counted twice."""


if __name__ == "__main__":
    sys.exit(main())
