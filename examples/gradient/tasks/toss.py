"""Decides between A and B: the task that it creates takes the branch, and the other is gone."""

import json
import random
import sys

start = json.loads(sys.stdin.readline())
side = start["inputs"]["side"] or random.choice("AB")
print(json.dumps({"type": "add_task", "name": side}))
print(json.dumps({"type": "success", "output": side}))
