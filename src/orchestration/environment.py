"""The composition root: the only place that builds clients and services from Settings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from src.orchestration.size_limits import check_engine
from src.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from src.infrastructure.aws.account import AwsAccount
    from src.infrastructure.aws.bucket_setup import BucketSetup
    from src.infrastructure.aws.glue_job import GlueJob
    from src.infrastructure.aws.glue_logs import GlueLogs
    from src.infrastructure.glue_job_manager import GlueJobManager
    from src.infrastructure.redshift_client import RedshiftClient
    from src.infrastructure.redshift_data_loader import RedshiftDataLoader
    from src.infrastructure.storage.raw_datasets import RawDatasets
    from src.infrastructure.storage.s3_storage import S3Storage
    from src.infrastructure.warehouse.access import WarehouseAccess
    from src.infrastructure.warehouse.own_schemas import OwnSchemas
    from src.local_cloud.local_cloud import FolderLock, LocalCloud, Role

_PACKAGE = Path(__file__).parents[1]
ETL_SCRIPT = _PACKAGE / "glue_jobs" / "concert_etl_job.py"
GENERATION_SCRIPT = _PACKAGE / "glue_jobs" / "concert_generation_job.py"
LOCAL_ROLE = "arn:aws:iam::000000000000:role/concert-demo-local"
CURSOR_ROWS = 100_000  # more go through UNLOAD
# Pauses of 1, 2, 4 ... 32 s: a paused Serverless workgroup takes a minute to resume.
AWS_CONNECT_ATTEMPTS = 7


class DemoEnvironment:
    """Everything a workflow talks to, for one target; use it as a context manager.

    `claim` refuses what cannot run, before anything is done; on entry the local servers start;
    on exit connections close, the servers stop, and others may claim the folder.
    """

    def __init__(self, settings: Settings, *, needs_glue: bool = True, role: Role = "run") -> None:
        self.settings, self._role = settings, role
        self._needs_glue = needs_glue and settings.etl == "glue"
        self._may_generate = needs_glue and settings.generate_on == "glue"
        self.local_cloud: LocalCloud | None = None
        self.query_group = "concert-demo"
        self.is_entered = False

    def claim(self) -> None:
        """Keep other runs out; raises CannotRunError where one is going on, or none can."""
        if self._needs_glue or self._may_generate:
            check_engine(self.settings)
        if self.settings.target == "local" and self.local_cloud is None:
            from src.local_cloud.local_cloud import LocalCloud

            cloud = LocalCloud(Path(self.settings.state_dir).absolute(), self._role)
            cloud.claim()
            self.local_cloud = cloud

    def __enter__(self) -> DemoEnvironment:
        self.claim()
        if self.local_cloud is not None:
            self.local_cloud.__enter__()
            if self._needs_glue:
                self.local_cloud.warm_up_glue(self.settings.etl_engine)
        self.is_entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.is_entered = False
        # Only what was built: cached properties that were never read do not exist.
        built = self.__dict__
        if "redshift" in built:
            self.redshift.close()
        if self.local_cloud is not None:
            self.local_cloud.__exit__(kind, error, trace)
            self.local_cloud = None

    @cached_property
    def account(self) -> AwsAccount:
        """Return the caller's AWS account."""
        from src.infrastructure.aws.account import AwsAccount

        return AwsAccount(self.settings.aws_region, retry_mode=self.settings.retry_mode)

    @cached_property
    def warehouse(self) -> WarehouseAccess:
        """Return the way to the warehouse on AWS."""
        from src.infrastructure.warehouse.access import WarehouseAccess

        return WarehouseAccess(self.account, self.settings)

    @cached_property
    def s3_client(self) -> Any:
        """Return the boto3 S3 client."""
        if self.local_cloud is not None:
            return self.local_cloud.s3_client()
        return self.account.client("s3")

    @cached_property
    def glue_client(self) -> Any:
        """Return the boto3 Glue client of the ETL."""
        return self._glue_client(self.settings.etl_engine)

    def _glue_client(self, engine: str) -> Any:
        if self.local_cloud is not None:
            return self.local_cloud.glue_client(engine)
        return self.account.client("glue")

    def kinesis_client(self, *, attempts: int = 6) -> Any:
        """Return a boto3 Kinesis client; a producer counts its attempts, and has boto make one."""
        if self.local_cloud is not None:
            return self.local_cloud.aws_client("kinesis", attempts=attempts)
        return self.account.client("kinesis", attempts=attempts)

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service besides S3 and Glue."""
        if self.local_cloud is not None:
            return self.local_cloud.aws_client(service)
        return self.account.client(service)

    @cached_property
    def raw_storage(self) -> S3Storage:
        """Return the raw bucket."""
        return self._storage(self.settings.raw_bucket)

    @property
    def raw_datasets(self) -> RawDatasets:
        """Return the raw bucket's data sets."""
        from src.infrastructure.storage.raw_datasets import RawDatasets

        return RawDatasets(self.raw_storage)

    @cached_property
    def processed_storage(self) -> S3Storage:
        """Return the processed bucket."""
        return self._storage(self.settings.processed_bucket)

    @cached_property
    def glue(self) -> GlueJobManager:
        """Return the manager of the ETL job."""
        return self._glue_manager(self.glue_client, self.settings.glue_job_name)

    @cached_property
    def generation_glue(self) -> GlueJobManager:
        """Return the manager of the generation job, which only Spark runs."""
        from src.infrastructure.aws.glue_job import generation_job_of

        name = generation_job_of(self.settings.glue_job_name)
        return self._glue_manager(self._glue_client("spark"), name)

    def _glue_manager(self, client: Any, job_name: str) -> GlueJobManager:
        from src.infrastructure.glue_job_manager import GlueJobManager

        is_local = self.local_cloud is not None
        return GlueJobManager(
            client,
            self.processed_storage,
            logs=self._glue_logs(job_name),
            poll_s=0.04 if is_local else 10.0,
        )

    def _glue_logs(self, job_name: str) -> GlueLogs | None:
        """Return a job's log groups on AWS; the local Glue writes its log to a file."""
        if self.local_cloud is not None:
            return None
        from src.infrastructure.aws.glue_logs import GlueLogs

        return GlueLogs(self.account, job_name)

    @property
    def etl_job(self) -> GlueJob:
        """Return what the ETL job should be."""
        return self._glue_job(self.settings.glue_job_name, ETL_SCRIPT)

    @property
    def generation_job(self) -> GlueJob:
        """Return what the generation job should be."""
        from src.infrastructure.aws.glue_job import generation_job_of
        from src.infrastructure.aws.job_library import generator_library, generator_modules

        name = generation_job_of(self.settings.glue_job_name)
        return replace(
            self._glue_job(name, GENERATION_SCRIPT),
            library=generator_library(_PACKAGE),
            modules=generator_modules(),
        )

    def _glue_job(self, name: str, script: Path) -> GlueJob:
        from src.infrastructure.aws.account import DEMO_TAG
        from src.infrastructure.aws.glue_job import GlueJob

        s = self.settings
        return GlueJob(
            name=name,
            role=s.role_of("glue") or LOCAL_ROLE,
            script=script,
            timeout_minutes=s.glue_timeout_minutes,
            workers=s.glue_workers,
            worker_type=s.glue_worker_type,
            glue_version=s.glue_version,
            max_retries=s.glue_max_retries,
            tags=dict([DEMO_TAG]),
        )

    @cached_property
    def redshift(self) -> RedshiftClient:
        """Return the warehouse's client; it connects at first use."""
        from src.infrastructure.redshift_client import RedshiftClient

        if self.local_cloud is not None:
            return RedshiftClient(
                self.local_cloud.connect_redshift,
                address="the local warehouse",
                query_group=self.query_group,
            )
        return RedshiftClient(
            self.warehouse.connect,
            address=self.warehouse.address,
            attempts=AWS_CONNECT_ATTEMPTS,
            query_group=self.query_group,
            is_serverless=self.warehouse.is_serverless,
        )

    @property
    def own_schemas(self) -> OwnSchemas:
        """Return what finds and drops the demo's schemas."""
        from src.infrastructure.warehouse.own_schemas import OwnSchemas

        return OwnSchemas(self.redshift)

    @property
    def redshift_role(self) -> str:
        """Return the role of COPY and UNLOAD; empty for the warehouse's default role."""
        role = self.settings.role_of("redshift") or LOCAL_ROLE
        return "" if role == "default" else role

    @cached_property
    def loader(self) -> RedshiftDataLoader:
        """Return the loader."""
        from src.infrastructure.redshift_data_loader import RedshiftDataLoader

        return RedshiftDataLoader(
            self.redshift, self.processed_storage, iam_role=self.redshift_role
        )

    def redshift_version(self) -> str:
        """Connect once, without another attempt; returns the warehouse's version."""
        from src.infrastructure.redshift_client import RedshiftClient

        once = RedshiftClient(self.warehouse.connect, address=self.warehouse.address, attempts=1)
        try:
            return str(once.query_value("SELECT version()"))
        finally:
            once.close()

    def read_frame(self, query: str, name: str) -> pd.DataFrame:
        """Return a query's rows: through the cursor, or on aws through S3 where they are many."""
        if self.local_cloud is None:
            rows = int(self.redshift.query_value("SELECT COUNT(*) FROM concert_dw.concerts"))
            if rows > CURSOR_ROWS:
                from src.infrastructure.warehouse.unloader import RedshiftUnloader

                unloader = RedshiftUnloader(
                    self.redshift, self.processed_storage, iam_role=self.redshift_role
                )
                return unloader.dataframe(query, name)
        return self.redshift.query_dataframe(query)

    def _storage(self, bucket: str) -> S3Storage:
        from src.infrastructure.storage.s3_storage import S3Storage

        return S3Storage(self.s3_client, bucket, setup=self.bucket_setup)

    @cached_property
    def bucket_setup(self) -> BucketSetup | None:
        """Return what buckets are on AWS; the local server does not support such settings."""
        if self.local_cloud is not None:
            return None
        from src.infrastructure.aws.bucket_setup import BucketSetup

        account = self.account
        return BucketSetup(account.region, account.account_id, self.settings.expire_days)


def temporary_state_folder() -> AbstractContextManager[Path]:
    """Give a state folder for a trial of the local target, and delete all that it left."""
    from src.local_cloud import state_folders

    return state_folders.temporary_state_folder()


def folder_lock(folder: Path, name: str) -> FolderLock:
    """Return a lock of a state folder, which is made; it is not taken yet."""
    from src.local_cloud.local_cloud import FolderLock

    folder.mkdir(parents=True, exist_ok=True)
    return FolderLock(folder / name)
