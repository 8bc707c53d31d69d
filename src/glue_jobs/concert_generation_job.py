"""Generate a raw data set on the workers of a Spark cluster: a PySpark job for AWS Glue.

    --recipe   what decides every byte of the data set, as JSON (src/services/generation/recipe.py)
    --output   folder of the data set; every task writes its own files there

The generator is the same as without Spark: it is shipped beside this script, as --extra-py-files,
and the versions of the libraries it computes with are those of --additional-python-modules.
"""

import argparse
import sys

from pyspark.sql import SparkSession


def main(argv):
    """Run the job; a failure is an exception, which Glue reports as FAILED."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("recipe", "output"):
        parser.add_argument(f"--{option}", required=True)
    arguments, _ = parser.parse_known_args(argv[1:])  # Glue adds arguments of its own

    builder = SparkSession.builder.appName("concert-generation")
    # The ledger of defects comes to the driver: 40 bytes for each of them, compressed.
    spark = builder.config("spark.driver.maxResultSize", "0").getOrCreate()
    from src.services.generation.remote_parts import generate

    generate(spark.sparkContext, arguments.recipe, arguments.output)


if __name__ == "__main__":
    main(sys.argv)
