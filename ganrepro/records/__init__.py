"""Run records: folders with all the evidence of one training. Read, written, found or trained."""

from . import evidence, provenance
from .pretrained import load_generator
from .record import Record, seal, write_npz
from .stored_table import StoredTable, read_table, write_table
from .write import STORED_SAMPLES, write_record

from .store import (  # isort: skip
    PROFILES, WANTED, below, checkpoint_folder, everything, folder, get_or_train, get_with_weights, longest, read,
    seconds_left, seconds_left_of_wanted, snapshot, train_paper, train_wanted,
)  # fmt: skip

__all__ = [
    "PROFILES", "STORED_SAMPLES", "WANTED", "Record", "StoredTable", "below", "checkpoint_folder", "everything",
    "evidence", "folder", "get_or_train", "get_with_weights", "load_generator", "longest", "provenance", "read",
    "read_table", "seal", "seconds_left", "seconds_left_of_wanted", "snapshot", "train_paper", "train_wanted",
    "write_npz", "write_record", "write_table",
]  # fmt: skip
