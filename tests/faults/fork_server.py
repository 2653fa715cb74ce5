"""Runs Python code in forked processes that have torch and ganrepro imported already: each starts in a moment.

stdin: a JSON line {"code", "log", "runs"} starts one, whose process id is printed; {"wait": id} prints its exit status.
Trainings are of narrow nets, and few samples are scored.
"""

import json
import os
import sys

from ganrepro import cli, datasets, locks, parzen, paths, records, report, training
from ganrepro.diagnostics import ablations
from ganrepro.recipes import Layer, for_dataset
from ganrepro.records import evidence, store, write
from ganrepro.report import figures, publish
from ganrepro.training import run

NAMES = {
    "ablations": ablations, "cli": cli, "datasets": datasets, "evidence": evidence, "figures": figures, "locks": locks,
    "parzen": parzen, "paths": paths, "publish": publish, "records": records, "report": report, "training": training,
}  # fmt: skip


def narrow(name, shape, recipe="own"):
    """The MNIST recipe for 8 x 8 pictures, an epoch of which takes a tenth of a second."""
    return for_dataset(name, shape).replace(
        generator=(Layer(32, "relu"), Layer(64, "sigmoid", bias="marginal")),
        discriminator=(Layer(16, "maxout", 0.05, pieces=5), Layer(1, "linear", 0.05)),
        epochs=6,
    )


def serve() -> None:
    store.for_dataset, store.VALIDATE_EVERY = narrow, 2
    write.STORED_SAMPLES = run.VALIDATION_SAMPLES = 400
    training.estimate_seconds = lambda *_: 1.0
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        elif process := os.fork():
            print(process, flush=True)
        else:
            os.environ["GANREPRO_RUNS"] = asked["runs"]
            log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1), os.dup2(log, 2), os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            names, status = dict(NAMES), 1
            try:
                exec(asked["code"], names)
                status = names.get("status", 0)
            finally:
                os._exit(status)


if __name__ == "__main__":
    serve()
