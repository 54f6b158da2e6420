"""Reviews the applicant's credit, in a process of its own."""

from __future__ import annotations

import time

from callboard import child

YEARS = 5

with child.connect() as task:
    applicant = task.inputs["application"]["applicant"]
    for year in range(1, YEARS + 1):
        time.sleep(0.3)
        print(f"year {year} of {applicant}: nothing owed")
        task.progress(year / YEARS, f"{year} of {YEARS} years")
    task.success({"score": 500 + 50 * YEARS})
