"""What both engines of the local Glue are besides Spark: a process that waits for its one job.

They import this file as a sibling: nothing of our package is on the job's path, as on AWS.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable


def serve(
    prepare: Callable[[], None], before: Callable[[list[str]], None] = lambda _: None
) -> None:
    """Get ready, then run the script that a JSON list on stdin names, as `__main__`.

    `before` is called with the script's arguments.
    """
    try:
        prepare()
        line = sys.stdin.readline()
        if line:  # else the parent process has ended
            sys.argv = json.loads(line)
            before(sys.argv)
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit:
        raise
    except BaseException as error:
        # The runner reads this line as the job run's ErrorMessage.
        message = f"{type(error).__name__}: {error}"[:4000]
        sys.stderr.write(json.dumps({"error": message}) + "\n")
        raise
