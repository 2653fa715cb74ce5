"""Build hook: a wheel carries the notebooks with their solutions and the committed MNIST record's weights, so that
`ganrepro notebooks --copy` and `load_generator` need no repository. No record is in it."""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEIGHTS = Path("results/paper/mnist/seed0/weights.safetensors")


class WithoutRepository(BuildHookInterface):
    def initialize(self, version, build_data):
        if version == "editable":  # reads both where they lie
            return
        root, include = Path(self.root), build_data["force_include"]
        for pattern in ("[0-9][0-9]_*.ipynb", "solutions/[0-9][0-9]_*.py"):
            for file in (root / "notebooks").glob(pattern):  # a source archive has them in ganrepro/ already
                include[str(file)] = f"ganrepro/{file.relative_to(root)}"
        if self.target_name == "sdist":  # there the weights stay where they are
            return
        if (root / WEIGHTS).is_file():
            include[str(root / WEIGHTS)] = "ganrepro/pretrained_weights/mnist.safetensors"
        else:
            self.app.display_warning(f"{WEIGHTS} is not here: this wheel has no pretrained generator")
