"""The composition root: the only place that builds clients and services from Settings."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from src.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from src.infrastructure.glue_job_manager import GlueJob, GlueJobManager
    from src.infrastructure.redshift_client import RedshiftClient
    from src.infrastructure.redshift_data_loader import RedshiftDataLoader
    from src.infrastructure.s3_storage import RawDatasets, S3Storage
    from src.local_cloud.local_cloud import LocalCloud

ETL_SCRIPT = Path(__file__).parents[1] / "glue_jobs" / "concert_etl_job.py"
LOCAL_ROLE = "arn:aws:iam::000000000000:role/concert-demo-local"
CONNECT_TIMEOUT_S = 15
CURSOR_ROWS = 100_000  # more go through UNLOAD
STATEMENT_TIMEOUT_MS = 30 * 60 * 1000


class DemoEnvironment:
    """Everything a workflow talks to, for one target; use it as a context manager.

    On entry the local servers start; on exit connections close and the servers stop.
    """

    def __init__(self, settings: Settings, *, needs_glue: bool = True) -> None:
        self.settings = settings
        self._needs_glue = needs_glue and settings.etl == "glue"
        self.local_cloud: LocalCloud | None = None

    def __enter__(self) -> DemoEnvironment:
        if self.settings.target == "local":
            from src.local_cloud.local_cloud import LocalCloud

            cloud = LocalCloud(Path(self.settings.state_dir).absolute())
            cloud.__enter__()
            self.local_cloud = cloud
            if self._needs_glue:
                self.glue_client.warm_up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        # Only what was built: cached properties that were never asked for are not there.
        built = self.__dict__
        if "glue_client" in built and self.local_cloud is not None:
            self.glue_client.close()
        if "redshift" in built:
            self.redshift.close()
        if self.local_cloud is not None:
            self.local_cloud.__exit__(kind, error, trace)

    @cached_property
    def s3_client(self) -> Any:
        """Return the boto3 S3 client."""
        if self.local_cloud is not None:
            return self.local_cloud.s3_client()
        return self.aws_client("s3")

    @cached_property
    def glue_client(self) -> Any:
        """Return the Glue client, boto3's or the local one."""
        if self.local_cloud is not None:
            return self.local_cloud.glue_client()
        return self.aws_client("glue")

    @cached_property
    def raw_storage(self) -> S3Storage:
        """Return the raw bucket."""
        return self._storage(self.settings.raw_bucket)

    @property
    def raw_datasets(self) -> RawDatasets:
        """Return the raw bucket's data sets."""
        from src.infrastructure.s3_storage import RawDatasets

        return RawDatasets(self.raw_storage)

    @cached_property
    def processed_storage(self) -> S3Storage:
        """Return the processed bucket."""
        return self._storage(self.settings.processed_bucket)

    @cached_property
    def glue(self) -> GlueJobManager:
        """Return the Glue job manager."""
        from src.infrastructure.glue_job_manager import GlueJobManager

        is_local = self.local_cloud is not None
        return GlueJobManager(
            self.glue_client, self.processed_storage, poll_s=0.02 if is_local else 10.0
        )

    @property
    def etl_job(self) -> GlueJob:
        """Return what the ETL job should be."""
        from src.infrastructure.glue_job_manager import GlueJob

        return GlueJob(
            name=self.settings.glue_job_name,
            role=self.settings.iam_role or LOCAL_ROLE,
            script=ETL_SCRIPT,
            timeout_minutes=self.settings.glue_timeout_minutes,
        )

    @cached_property
    def redshift(self) -> RedshiftClient:
        """Return the warehouse's client; it connects at first use."""
        from src.infrastructure.redshift_client import RedshiftClient

        if self.local_cloud is not None:
            return RedshiftClient(self.local_cloud.connect_redshift, address="the local warehouse")
        return RedshiftClient(self._connect_aws, address=self._aws_address())

    @cached_property
    def loader(self) -> RedshiftDataLoader:
        """Return the loader."""
        from src.infrastructure.redshift_data_loader import RedshiftDataLoader

        role = self.settings.iam_role or LOCAL_ROLE
        return RedshiftDataLoader(self.redshift, self.processed_storage, iam_role=role)

    def redshift_version(self) -> str:
        """Connect once, without another attempt; returns what the warehouse says it is."""
        from src.infrastructure.redshift_client import RedshiftClient

        once = RedshiftClient(self._connect_aws, address=self._aws_address(), attempts=1)
        try:
            return str(once.query_value("SELECT version()"))
        finally:
            once.close()

    def read_frame(self, query: str, name: str) -> pd.DataFrame:
        """Return a query's rows: through the cursor, or on aws through S3 where they are many."""
        if self.local_cloud is None:
            rows = int(self.redshift.query_value("SELECT COUNT(*) FROM concert_dw.concerts"))
            if rows > CURSOR_ROWS:
                from src.infrastructure.redshift_unload import RedshiftUnloader

                unloader = RedshiftUnloader(
                    self.redshift, self.processed_storage, iam_role=self.settings.iam_role
                )
                return unloader.dataframe(query, name)
        return self.redshift.query_dataframe(query)

    def _storage(self, bucket: str) -> S3Storage:
        from src.infrastructure.s3_storage import S3Storage

        region = "us-east-1" if self.local_cloud is not None else self.settings.aws_region
        return S3Storage(self.s3_client, bucket, region=region)

    def _aws_address(self) -> str:
        s = self.settings
        return f"{s.redshift_host}:{s.redshift_port}/{s.redshift_database}"

    def aws_client(self, service: str) -> Any:
        """Return a boto3 client of the user's own account."""
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60
        )
        return boto3.client(service, region_name=self.settings.aws_region, config=config)

    def _connect_aws(self) -> Any:
        import psycopg2

        settings = self.settings
        return psycopg2.connect(
            host=settings.redshift_host,
            port=settings.redshift_port,
            dbname=settings.redshift_database,
            user=settings.redshift_user,
            password=settings.redshift_password,
            sslmode="require",
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives=1,
            keepalives_idle=30,
            application_name="concert-demo",
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        )
