"""Has a task, and with it this one, done anew until that was done often enough."""

import json
import sys

start = json.loads(sys.stdin.readline())
if start["generation"] <= start["inputs"]["rounds"]:
    print(json.dumps({"type": "again", "task": start["inputs"]["task"]}))
print(json.dumps({"type": "success", "output": start["generation"]}))
