"""Creates an M for each number: what comes into the map is done as the file describes M."""

import json
import random
import sys

start = json.loads(sys.stdin.readline())
count = start["inputs"]["count"]
if count is None:
    count = random.randrange(10)
for number in range(count):
    print(json.dumps({"type": "add_task", "name": "M", "with": {"number": number}}))
print(json.dumps({"type": "success", "output": count}))
