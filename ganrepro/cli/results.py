"""`ganrepro ablate` and `ganrepro results`: committed evidence beside the records, and its tables and figures."""

from __future__ import annotations

from argparse import Namespace

from .long_work import ask_before


def run_ablations(options: Namespace) -> None:
    from ganrepro import datasets, device, recipes
    from ganrepro.diagnostics import ablations
    from ganrepro.extensions.coordination import alternating

    printed = options.of == "alternating"
    options.epochs = options.epochs if options.epochs is not None else alternating.EPOCHS if printed else 30
    for name in ("epochs", "seeds"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name} = {getattr(options, name)}; it must be at least 1")
    device.torch_device(options.device)
    products = None if options.products == "float32" else options.products
    study, data = alternating.STUDY if printed else ablations.STUDY, datasets.load("mnist")
    data = alternating.pictures(data) if printed else data
    recipe = recipes.for_dataset("mnist", data.shape).replace(products=products)
    given = recipe, data, options.epochs, range(options.seeds), options.device, options.arm, study
    ask_before(options, "training the arms that are missing", lambda: ablations.seconds_left(*given))
    for table in ablations.run(*given):
        found = alternating.summary(table, ablations.validated(study)) if printed else ablations.summary(table)
        print(found.round(1).to_string(index=False), "\n", flush=True)


def publish_results(options: Namespace) -> None:
    from ganrepro.report import publish

    print(*publish.publish(), sep="\n")
