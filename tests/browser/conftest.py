"""JupyterLab on this machine, behind a token, on a copy of the notebooks; and Chromium, driven by Playwright."""

import json
import math
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "build/browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, even those out of sight
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},  # no network is needed
}
VIEW = {"width": 1280, "height": 1600}


@dataclass
class Lab:
    """A JupyterLab that runs."""

    url: str
    token: str
    folder: Path

    def add(self, name, **parameters):
        """Put a copy of a notebook there, without outputs, with other values of its parameters."""
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            if "parameters" in cell.metadata.get("tags", []):
                cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
        nbformat.write(notebook, self.folder / "notebooks" / name)

    def read(self, name):
        """The notebook as JupyterLab saved it."""
        return nbformat.read(self.folder / "notebooks" / name, as_version=4)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for plugin, values in SETTINGS.items():
        file = folder / f"settings/@jupyterlab/{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    token, log = secrets.token_hex(16), folder / "lab.log"
    own = {f"JUPYTER_{what}_DIR": str(folder / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{what}_DIR": str(folder / what.lower()) for what in ("SETTINGS", "WORKSPACES")}
    own |= {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_TOKEN": token, "GANREPRO_PROGRESS": "1",
            "GANREPRO_RUNS": str(folder / "runs")}  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
               "--ServerApp.port=0", f"--ServerApp.root_dir={folder}"]  # fmt: skip
    with log.open("w") as to:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=to, stderr=to)
    try:
        until = time.monotonic() + 120
        while not (found := list(folder.glob("runtime/jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.2)
        yield Lab(json.loads(found[0].read_text())["url"], token, folder)
    finally:
        server.terminate()  # and its kernels with it
        server.wait(60)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright; `make test-browser` installs it")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}, as in Debian's package chromium")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=found, args=FLAGS, viewport=VIEW
        )
        yield context
        context.close()


class Notebook:
    """A notebook that is open in the browser."""

    def __init__(self, page, lab, name):
        self.page, self.lab, self.name = page, lab, name
        self.errors = []  # of the page's console
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{lab.url}lab/tree/notebooks/{name}?token={lab.token}&reset")
        page.locator(".jp-Notebook-ExecutionIndicator").wait_for(timeout=120_000)
        page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=120_000)  # in the status bar

    def menu(self, *labels):
        """Choose from the menus at the top, as ("Run", "Run All Cells")."""
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(labels[0], exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(labels[1], exact=True).click()

    def run_all(self):
        self.menu("Run", "Run All Cells")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(p => p.innerText != '[ ]:')"
        )

    def wait_until_idle(self, seconds):
        """Wait until the kernel has nothing to do and no cell waits for it."""
        self.page.wait_for_function(
            "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status == 'idle' &&"
            " ![...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(p => p.innerText.includes('*'))",
            timeout=1000 * seconds, polling=200,
        )  # fmt: skip

    def cell(self, index):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def run(self, index):
        """Run one cell."""
        self.cell(index).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")

    def interrupt(self):
        """Press the toolbar's button."""
        self.page.get_by_role("button", name="Interrupt the kernel").click()

    @property
    def numbers(self):
        """What stands before each code cell, such as "[3]:"."""
        return self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()

    def moved_by_their_sliders(self):
        """Of each live figure: does its first slider, moved by the keyboard, change the picture?"""
        found = []
        for live in self.page.locator(".jp-OutputArea-output:has(img.jupyter-widgets)").all():
            image = live.locator("img.jupyter-widgets")
            before = image.get_attribute("src")
            live.locator(".noUi-handle").first.focus()
            for _ in range(10):
                self.page.keyboard.press("ArrowRight")
                self.page.wait_for_timeout(100)
            drawn = image.evaluate("i => i.complete && i.naturalWidth > 0")
            found.append(drawn and image.get_attribute("src") != before)
        return found

    def saved(self):
        self.menu("File", "Save Notebook")
        self.page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
        return self.lab.read(self.name)

    def photograph(self, state="done"):
        """Pictures of the whole notebook, from its top to its end, under build/browser/."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        stem = f"{Path(self.name).stem}-{state}"
        for old in PICTURES.glob(f"{stem}-*.png"):
            old.unlink()
        scrolls = self.page.locator(".jp-WindowedPanel-outer")
        height, seen = scrolls.evaluate(
            "e => [[...e.querySelectorAll('.jp-Cell')].at(-1).getBoundingClientRect().bottom"
            " - e.getBoundingClientRect().top + e.scrollTop, e.clientHeight]"
        )
        for k in range(math.ceil(height / seen)):
            scrolls.evaluate("(e, y) => e.scrollTo(0, y)", k * seen)
            self.page.wait_for_timeout(300)
            self.page.screenshot(path=PICTURES / f"{stem}-{k + 1:02}.png")

    def close(self):
        self.menu("Kernel", "Shut Down Kernel")
        self.page.wait_for_timeout(500)
        self.page.close()


@pytest.fixture
def opened(browser, lab):
    """opened(name, parameter=value, …) -> Notebook, with a kernel of its own that has run nothing."""
    notebooks = []

    def open_notebook(name, **parameters):
        lab.add(name, **parameters)
        notebooks.append(Notebook(browser.new_page(), lab, name))
        return notebooks[-1]

    yield open_notebook
    for notebook in notebooks:
        notebook.close()
