"""Runs when all in front of it is done, and gives a list of what that gave."""

import json
import sys

start = json.loads(sys.stdin.readline())
outputs = [each["output"] for each in start["needs"].values()]
print(len(outputs), "in front of", start["label"])
print(json.dumps({"type": "success", "output": outputs}))
