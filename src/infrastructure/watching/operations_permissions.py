"""What schedule, data lake and lineage on AWS need: their operator, and the schedule's roles.

As in `permissions.py`: the template of operations grants just this.
"""

from __future__ import annotations

from src.infrastructure.aws.account import partition
from src.infrastructure.aws.cycle_definition import LOG_GROUP, NAME, Places
from src.infrastructure.aws.data_lake import DATABASE
from src.infrastructure.aws.permissions import Permission
from src.settings import Settings

_LAKE_ROLE = "AWSServiceRoleForLakeFormationDataAccess"

SCHEDULING = (
    Permission(
        "CycleSchedule",
        ("scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:GetSchedule",
         "scheduler:DeleteSchedule"),
        ("{schedule}",),
        "keep the schedule, show it, and remove it",
    ),
    Permission(
        "CycleMachine",
        ("states:CreateStateMachine", "states:UpdateStateMachine", "states:DescribeStateMachine",
         "states:DeleteStateMachine", "states:ListExecutions", "states:ListTagsForResource",
         "states:TagResource"),
        ("{machine}",),
        "keep the state machine of the cycle, show its executions, and remove it",
    ),
    Permission(
        "CycleProject",
        ("codebuild:CreateProject", "codebuild:UpdateProject", "codebuild:BatchGetProjects",
         "codebuild:DeleteProject"),
        ("{project}",),
        "keep the project that runs the steps, and remove it",
    ),
    *(
        Permission(
            f"Pass{of.title()}Role", ("iam:PassRole",), (f"{{{of}_role}}",),
            f"give its role to {service}", "always",
            (("iam:PassedToService", f"{service}.amazonaws.com"),),
        )
        for of, service in (("build", "codebuild"), ("states", "states"),
                            ("scheduler", "scheduler"))
    ),
)  # fmt: skip

LAKE = (
    Permission(
        "Catalog",
        ("glue:CreateDatabase", "glue:GetDatabase", "glue:DeleteDatabase"),
        ("{catalog}", "{catalog_database}"),
        "keep the database of the processed files, and remove it",
    ),
    Permission(
        "CatalogTables",
        ("glue:CreateTable", "glue:GetTable", "glue:UpdateTable"),
        ("{catalog}", "{catalog_database}", "{catalog_tables}"),
        "keep its tables over the newest files",
    ),
    Permission(
        "DropTables",
        ("glue:DeleteDatabase",),
        ("{catalog_tables}", "{catalog_functions}"),
        "remove the database with all that is in it",
    ),
    Permission(
        "LakeFormation",
        (
            "lakeformation:GetDataLakeSettings",
            "lakeformation:RegisterResource",
            "lakeformation:DeregisterResource",
            "lakeformation:CreateLFTag",
            "lakeformation:DeleteLFTag",
            "lakeformation:AddLFTagsToResource",
            "lakeformation:GrantPermissions",
            "lakeformation:RevokePermissions",
            "lakeformation:ListPermissions",
        ),
        ("*",),
        "keep tag and grants, and remove them; Lake Formation has no resources to name, and "
        "lets only its own grants and administrators change what they own",
    ),
    Permission(
        "LakeFormationRole",
        ("iam:GetRole", "iam:PutRolePolicy"),
        ("{lake_role}",),
        "let Lake Formation's own role read the registered files",
    ),
    Permission(
        "CreateLakeFormationRole",
        ("iam:CreateServiceLinkedRole",),
        ("{lake_role}",),
        "make that role where the account has none",
        "always",
        (("iam:AWSServiceName", "lakeformation.amazonaws.com"),),
    ),
)

LINEAGE = (
    Permission(
        "PostLineage",
        ("datazone:PostLineageEvent", "datazone:ListLineageEvents"),
        ("{domain}",),
        "send each run's lineage to DataZone, and learn what it could not take",
    ),
)

SCHEDULER = (Permission("StartCycle", ("states:StartExecution",), ("{machine}",), "start a cycle"),)

STATES = (
    Permission(
        "LookForOthers", ("states:ListExecutions",), ("{machine}",), "never run two cycles at once"
    ),
    Permission(
        "RunSteps",
        ("codebuild:StartBuild", "codebuild:StopBuild", "codebuild:BatchGetBuilds"),
        ("{project}",),
        "run a step, wait for it, and stop it with the cycle",
    ),
    Permission(
        "HearOfBuilds",
        ("events:PutTargets", "events:PutRule", "events:DescribeRule"),
        ("{rule}",),
        "learn of a build's end by the rule that Step Functions keeps",
    ),
    Permission("Alert", ("sns:Publish",), ("{topic}",), "tell of a failed cycle"),
)

BUILD = (
    Permission(
        "WriteBuildLogs",
        ("logs:CreateLogStream", "logs:PutLogEvents"),
        ("{build_logs}", "{build_logs}:log-stream:*"),
        "write the log of a step; the rights of the step itself are the operator's",
    ),
)


def operations_names(settings: Settings, account_id: str) -> dict[str, str]:
    """Return the ARNs of the schedule's things in an account, by the names used above."""
    places = Places(settings.aws_region, account_id)
    head = f"arn:{partition(settings.aws_region)}:logs:{settings.aws_region}:{account_id}"
    return {
        "schedule": places.arn("scheduler", f"schedule/default/{NAME}"),
        "machine": places.machine,
        "project": places.arn("codebuild", f"project/{NAME}"),
        "topic": places.topic,
        "rule": places.arn("events", "rule/StepFunctionsGetEventForCodeBuildStartBuildRule"),
        "catalog": places.arn("glue", "catalog"),
        "catalog_database": places.arn("glue", f"database/{DATABASE}"),
        "catalog_tables": places.arn("glue", f"table/{DATABASE}/*"),
        "catalog_functions": places.arn("glue", f"userDefinedFunction/{DATABASE}/*"),
        "lake_role": places.arn(
            "iam", f"role/aws-service-role/lakeformation.amazonaws.com/{_LAKE_ROLE}", region=False
        ),
        "domain": places.arn("datazone", f"domain/{settings.datazone_domain}"),
        "build_logs": f"{head}:log-group:{LOG_GROUP}",
        **{f"{of}_role": places.role(of) for of in ("build", "states", "scheduler")},
    }
