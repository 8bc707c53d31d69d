"""What the schedule on AWS needs: its operator, and the roles that carry it out.

As in `permissions.py`: the template of operations grants just this.
"""

from __future__ import annotations

from src.infrastructure.aws.account import partition
from src.infrastructure.aws.cycle_definition import LOG_GROUP, NAME, Places
from src.infrastructure.aws.permissions import Permission
from src.settings import Settings

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

SCHEDULER = (
    Permission("StartCycle", ("states:StartExecution",), ("{machine}",), "start a cycle"),
)

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
        "hear of a build's end by the rule that Step Functions keeps",
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


def cycle_names(settings: Settings, account_id: str) -> dict[str, str]:
    """Return the ARNs of the schedule's things in an account, by the names used above."""
    places = Places(settings.aws_region, account_id)
    head = f"arn:{partition(settings.aws_region)}:logs:{settings.aws_region}:{account_id}"
    return {
        "schedule": places.arn("scheduler", f"schedule/default/{NAME}"),
        "machine": places.machine,
        "project": places.arn("codebuild", f"project/{NAME}"),
        "topic": places.topic,
        "rule": places.arn("events", "rule/StepFunctionsGetEventForCodeBuildStartBuildRule"),
        "build_logs": f"{head}:log-group:{LOG_GROUP}",
        **{f"{of}_role": places.role(of) for of in ("build", "states", "scheduler")},
    }
