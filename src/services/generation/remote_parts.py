"""Generation on a Spark cluster: a part is made and stored by one task, and only counted here.

It runs inside the Glue job, with nothing but the modules that `library` packs.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from src.domain.bucket_layout import GENERATED_NAME
from src.services.encoding.sink import Sink
from src.services.generation.later_days import world_at
from src.services.generation.parts import TRUTH, MadePart, Part, PartMaker
from src.services.generation.recipe import recipe_from


class FolderPlace:
    """A folder of this machine; a file is there whole or not at all."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def put(self, path: str, body: bytes) -> None:
        """Store one file: two attempts at the same part may store it at once."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        aside.write_bytes(body)
        aside.replace(target)


class BucketPlace:
    """A prefix of a bucket, with the rights of the job's role."""

    def __init__(self, address: str) -> None:
        import boto3  # Glue brings its own
        from botocore.config import Config

        self._bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        retries = Config(retries={"mode": "adaptive", "max_attempts": 10})
        self._s3 = boto3.client("s3", config=retries)

    def put(self, path: str, body: bytes) -> None:
        """Store one object."""
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{path}", Body=body)


@cache
def place(output: str) -> Sink:
    """Return where files below an address go; a process asks for it once."""
    output = output.rstrip("/")
    return BucketPlace(output) if output.startswith("s3://") else FolderPlace(output)


@cache
def _maker(recipe: str) -> PartMaker:
    """Return what makes parts; each process of the cluster builds the world once."""
    given = recipe_from(recipe)
    return PartMaker(given, world_at(given.size, given.seed, given.clock))


def make_and_store(recipe: str, output: str, part: Part) -> MadePart:
    """Make one part and store it; returns what is known of it, without its body."""
    made = _maker(recipe).make(part)
    place(output).put(made.path, made.body)
    return replace(made, body=b"", stored=len(made.body), ledger=zlib.compress(made.ledger, 1))


def generate(context: Any, recipe: str, output: str) -> None:
    """Generate a data set with the executors of a SparkContext.

    Its manifest is left as GENERATED_NAME: the command that started the job commits it.
    """
    from src.services.synthetic_data_generator import SyntheticDataGenerator

    def made_on_cluster(_: PartMaker, parts: Sequence[Part]) -> Generator[MadePart, None, None]:
        # The ground truth is begun first: it takes as long as many parts.
        tasks = context.parallelize([TRUTH, *parts], len(parts) + 1)
        truth, *all_made = tasks.map(partial(make_and_store, recipe, output)).collect()
        for made in (*all_made, truth):
            yield replace(made, ledger=zlib.decompress(made.ledger))

    r = recipe_from(recipe)
    generator = SyntheticDataGenerator(
        r.size, seed=r.seed, defect_rate=r.defect_rate, clock=r.clock
    )
    manifest = generator.export(place(output), r.raw_format, "", make=made_on_cluster)
    body = json.dumps(manifest.as_dict(), allow_nan=False).encode()
    place(output).put(GENERATED_NAME, body)
