"""Build hook: a wheel carries the notebooks and the committed MNIST record's weights, so that
`ganrepro notebooks --copy` and `load_generator` need no repository. No record is in it."""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEIGHTS = Path("results/paper/mnist/seed0/weights.safetensors")


class WithoutRepository(BuildHookInterface):
    def initialize(self, version, build_data):
        if version == "editable":  # reads both where they lie
            return
        root, include = Path(self.root), build_data["force_include"]
        for notebook in root.glob("notebooks/[0-9][0-9]_*.ipynb"):  # a source archive has them in ganrepro/ already
            include[str(notebook)] = f"ganrepro/notebooks/{notebook.name}"
        if self.target_name == "sdist":  # there the weights stay where they are
            return
        if (root / WEIGHTS).is_file():
            include[str(root / WEIGHTS)] = "ganrepro/pretrained_weights/mnist.safetensors"
        else:
            self.app.display_warning(f"{WEIGHTS} is not here: this wheel has no pretrained generator")
