"""Creates one task by its name, with whatever else it was given as that task's inputs."""

import json
import sys

start = json.loads(sys.stdin.readline())
name = start["inputs"].pop("name")
print(json.dumps({"type": "add_task", "name": name, "with": start["inputs"]}))
print(json.dumps({"type": "success", "output": name}))
