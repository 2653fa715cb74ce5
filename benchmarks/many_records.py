"""How long does Table 1 take over thousands of records, and how much memory? `python -m benchmarks.many_records 10000`

The records are copies of one small record with other seeds, whose arrays are links: what a sweep leaves behind.
"""

import os
import resource
import sys
import tempfile
import time


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANREPRO_RUNS"] = folder
        from ganrepro import records
        from ganrepro.report import tables

        first = records.get_or_train("gaussian1d", "quick", device="cpu")
        began = time.perf_counter()
        for seed in range(1, count):
            copy = first.path.with_name(f"seed{seed}")
            copy.mkdir()
            for file in first.path.iterdir():
                if file.name != "record.json":
                    os.link(file, copy / file.name)
            records.seal(copy, first.meta | {"seed": seed})
        written = time.perf_counter() - began
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        table = tables.table1(records.longest("quick"), "computed here")
        seconds = time.perf_counter() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert (table[table.dataset == "gaussian1d"].n_seeds == count).all()
        size = sum(f.stat().st_size for f in first.path.iterdir())
        print(f"{count:,} records of {size / 1000:.0f} kB: sealed at {count / written:.0f} a second; "
              f"the table in {seconds:.1f} s and {grown:.0f} MB more memory")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000)
