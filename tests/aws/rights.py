"""A small evaluator of IAM policies: actions, resources, StringEquals, and IAM's own simulation."""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Need:
    """One thing that a call must be allowed: an action on a resource, with what IAM knows of it."""

    action: str
    resource: str
    context: dict = field(default_factory=dict)


class Rights:
    """The policies of one identity; `user_id` is what policies call ${aws:userid}."""

    def __init__(self, arn, *policies, user_id="AIDAOPERATOR"):
        self.arn, self.user_id = arn, user_id
        self.statements = [s for policy in policies for s in policy["Statement"]]
        self.used = set()  # (number of a statement, action) that allowed a call

    def decision(self, need):
        """Return IAM's word, and which keys of conditions the request did not have."""
        known = {"aws:userid": self.user_id, **need.context}
        decided, missing = "implicitDeny", set()
        for number, statement in enumerate(self.statements):
            if not (_any(statement["Action"], need.action.lower(), str.lower)
                    and _any(statement["Resource"], need.resource)):  # fmt: skip
                continue
            lacking = {key for key in _keys(statement) if key not in known}
            if lacking or not self._holds(statement, known):
                missing |= lacking
                continue
            if statement["Effect"] == "Deny":
                return "explicitDeny", set()
            decided = "allowed"
            self.used.add((number, need.action))
        return decided, missing

    def allows(self, need):
        return self.decision(need)[0] == "allowed"

    def _holds(self, statement, known):
        condition = statement.get("Condition", {})
        assert set(condition) <= {"StringEquals"}, f"the evaluator does not know {condition}"
        for key, wanted in condition.get("StringEquals", {}).items():
            values = [v.replace("${aws:userid}", self.user_id) for v in _listed(wanted)]
            if known[key] not in values:
                return False
        return True

    def grants(self):
        """Yield (number of a statement, action) of everything that is granted."""
        for number, statement in enumerate(self.statements):
            for action in _listed(statement["Action"]):
                yield number, action

    def simulate(
        self, *, PolicySourceArn, ActionNames, ResourceArns=("*",), ContextEntries=(), **_
    ):
        """Answer SimulatePrincipalPolicy as IAM does, for one result an action."""
        assert PolicySourceArn == self.arn and re.match(r"arn:aws[a-z-]*:iam::\d{12}:", self.arn)
        for resource in ResourceArns:
            assert resource == "*" or resource.startswith("arn:"), f"no ARN: {resource}"
        context = {e["ContextKeyName"]: e["ContextKeyValues"][0] for e in ContextEntries}
        results = []
        for action in ActionNames:
            found = [self.decision(Need(action, each, context)) for each in ResourceArns]
            refused = [word for word, _ in found if word != "allowed"]
            results.append({
                "EvalActionName": action, "EvalDecision": refused[0] if refused else "allowed",
                "MissingContextValues": sorted(set().union(*(keys for _, keys in found))),
            })  # fmt: skip
        return {"EvaluationResults": results}


def _listed(value):
    return [value] if isinstance(value, str) else value


def _keys(statement):
    return {key for test in statement.get("Condition", {}).values() for key in test}


def _any(patterns, text, fold=lambda pattern: pattern):
    return any(_matches(fold(pattern), text) for pattern in _listed(patterns))


def _matches(pattern, text):
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None
