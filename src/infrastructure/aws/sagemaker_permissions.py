"""What deploying the model needs on AWS: of the operator, and of the endpoint's role."""

from __future__ import annotations

from src.domain.bucket_layout import MODEL_PREFIX, UNLOAD_PREFIX
from src.infrastructure.aws.account import partition
from src.infrastructure.aws.endpoint_watching import log_group
from src.infrastructure.aws.permissions import Permission
from src.settings import Settings

_DEFINITIONS = ("{models}", "{configs}")
SERVING = (
    Permission(
        "Definitions",
        ("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:DescribeModel",
         "sagemaker:DescribeEndpointConfig", "sagemaker:DeleteModel",
         "sagemaker:DeleteEndpointConfig", "sagemaker:AddTags", "sagemaker:ListTags"),
        _DEFINITIONS,
        "define what the endpoint runs, and remove what it runs no longer",
        "serving",
    ),
    Permission(
        "Endpoint",
        ("sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint", "sagemaker:DescribeEndpoint",
         "sagemaker:DeleteEndpoint", "sagemaker:AddTags", "sagemaker:ListTags"),
        ("{endpoint}",),
        "put a version in service, watch it, and take it out",
        "serving",
    ),
    Permission(
        "EndpointOfConfig",
        ("sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"),
        ("{configs}",),
        "let the endpoint have only the demo's own configurations",
        "serving",
    ),
    Permission(
        "Lists",
        ("sagemaker:ListModels", "sagemaker:ListEndpointConfigs", "cloudwatch:DescribeAlarms"),
        ("*",),
        "find what is left of earlier versions; lists have no resource to name",
        "serving",
    ),
    Permission(
        "Invoke", ("sagemaker:InvokeEndpoint",), ("{endpoint}",), "ask for predictions", "serving"
    ),
    Permission(
        "Transform",
        ("sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob",
         "sagemaker:StopTransformJob"),
        ("{jobs}",),
        "predict for a file of concerts, and stop the job on Ctrl-C",
        "serving",
    ),
    Permission(
        "PassServingRole",
        ("iam:PassRole",),
        ("{sagemaker_role}",),
        "give the model its role",
        "serving",
        (("iam:PassedToService", "sagemaker.amazonaws.com"),),
    ),
    Permission(
        "Alarms",
        ("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource",
         "cloudwatch:ListTagsForResource"),
        ("{alarms}",),
        "take a new version back where it answers with errors",
        "serving",
    ),
    Permission(
        "EndpointLogs",
        ("logs:CreateLogGroup", "logs:TagResource", "logs:PutRetentionPolicy",
         "logs:ListTagsForResource", "logs:DeleteLogGroup"),
        ("{endpoint_logs}", "{endpoint_logs}:*"),
        "create the endpoint's log group with an end, and remove it with the endpoint",
        "serving",
    ),
)  # fmt: skip

SAGEMAKER = (
    Permission(
        "ReadModels",
        ("s3:GetObject",),
        (f"{{processed}}/{MODEL_PREFIX}/*", f"{{processed}}/{UNLOAD_PREFIX}/*"),
        "read model.tar.gz, and the records of a transform job",
    ),
    Permission(
        "WritePredictions",
        ("s3:PutObject",),
        (f"{{processed}}/{UNLOAD_PREFIX}/*",),
        "write the predictions of a transform job",
    ),
    Permission("FindRecords", ("s3:ListBucket",), ("{processed}",), "find a job's records"),
    Permission(
        "PullImage",
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
        ("{repository}",),
        "pull the image of the model's server",
    ),
    Permission(
        "EnterRegistry",
        ("ecr:GetAuthorizationToken",),
        ("*",),
        "enter the registry, which has no resource to name",
    ),
    Permission(
        "WriteEndpointLogs",
        ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
         "logs:DescribeLogStreams"),
        ("{endpoint_logs}", "{endpoint_logs}:*", "{job_logs}", "{job_logs}:*"),
        "write the logs of the endpoint and of transform jobs",
    ),
    Permission(
        "WatchAlarms",
        ("cloudwatch:DescribeAlarms",),
        ("{alarms}",),
        "let an update see whether an alarm asks for its rollback",
    ),
)  # fmt: skip


def serving_names(settings: Settings, account_id: str) -> dict[str, str]:
    """Return the ARNs of what is deployed in an account, by the names used above."""
    region, name = settings.aws_region, settings.endpoint_name
    head, place = f"arn:{partition(region)}", f"{region}:{account_id}"
    sagemaker, logs = f"{head}:sagemaker:{place}", f"{head}:logs:{place}:log-group:"
    return {
        "processed": f"{head}:s3:::{settings.processed_bucket}",
        "endpoint": f"{sagemaker}:endpoint/{name}",
        "models": f"{sagemaker}:model/{name}-v*",
        "configs": f"{sagemaker}:endpoint-config/{name}-v*",
        "jobs": f"{sagemaker}:transform-job/{name}-*",
        "sagemaker_role": settings.role_of("sagemaker"),
        "alarms": f"{head}:cloudwatch:{place}:alarm:{name}-*",
        "endpoint_logs": f"{logs}{log_group(name)}",
        "job_logs": f"{logs}/aws/sagemaker/TransformJobs",
        "repository": f"{head}:ecr:{place}:repository/{name}",
    }


def serving_needs(settings: Settings) -> tuple[Permission, ...]:
    """Return the operator's permissions that deployments use: none where no image is named."""
    return SERVING if settings.serving_image else ()
