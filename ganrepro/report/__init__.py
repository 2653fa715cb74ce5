"""What is shown: figures, tables, claims, the committed results, and notebooks run headless."""


class NotebookFailed(Exception):
    """A cell of an executed notebook raised."""
