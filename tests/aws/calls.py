"""Which rights each call of AWS's services needs: the Service Authorization Reference as code."""

from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as Xml

from botocore import xform_name

from tests.aws.rights import Need

ACCOUNT, REGION = "123456789012", "us-east-1"
_S3_OF_BUCKET = {
    ("HEAD", ""): "HeadBucket", ("PUT", ""): "CreateBucket", ("DELETE", ""): "DeleteBucket",
    ("GET", "list-type"): "ListObjectsV2", ("GET", "versions"): "ListObjectVersions",
    ("GET", "tagging"): "GetBucketTagging", ("PUT", "tagging"): "PutBucketTagging",
    ("PUT", "publicAccessBlock"): "PutPublicAccessBlock", ("POST", "delete"): "DeleteObjects",
    ("PUT", "encryption"): "PutBucketEncryption", ("PUT", "policy"): "PutBucketPolicy",
    ("PUT", "lifecycle"): "PutBucketLifecycleConfiguration",
    ("GET", "location"): "GetBucketLocation", ("GET", "uploads"): "ListMultipartUploads",
}  # fmt: skip
_S3_OF_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject",
                 "POST": "PutObject", "DELETE": "DeleteObject"}  # fmt: skip
_ACTIONS = {
    "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket", "HeadObject": "GetObject",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
}  # fmt: skip


def s3_call(method, path, body):
    """Return (operation, bucket, key, keys that DeleteObjects names) of a request to S3."""
    url = urlsplit(path)
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if key:
        name = _S3_OF_OBJECT[method]
        if method == "DELETE" and "uploadId" in query:
            name = "AbortMultipartUpload"
        elif method == "DELETE" and "versionId" in query:
            name = "DeleteObjectVersion"
        return name, bucket, key, []
    (name,) = {op for (verb, mark), op in _S3_OF_BUCKET.items()
               if verb == method and (mark in query if mark else not _marks(query))}  # fmt: skip
    return name, bucket, "", _named_objects(body) if name == "DeleteObjects" else []


def _marks(query):
    return {mark for _, mark in _S3_OF_BUCKET} & set(query)


def _named_objects(body):
    found = []
    for element in Xml.fromstring(body).iter():
        if element.tag.endswith("}Object") or element.tag == "Object":
            fields = {child.tag.rpartition("}")[2]: child.text for child in element}
            found.append((fields["Key"], "VersionId" in fields))
    return found


def s3_needs(operation, bucket, key, objects, body=b""):
    """Return what a request to S3 needs."""
    arn = f"arn:aws:s3:::{bucket}"
    if operation == "DeleteObjects":
        return [Need(f"s3:DeleteObject{'Version' if has_version else ''}", f"{arn}/{name}")
                for name, has_version in objects]  # fmt: skip
    needs = [Need(f"s3:{_ACTIONS.get(operation, operation)}", f"{arn}/{key}" if key else arn)]
    if operation == "CreateBucket" and b"<Tag>" in body:
        needs.append(Need("s3:TagResource", arn))
    return needs


def needs(service, operation, parameters, workgroup_arn):
    """Return what a call of another service needs; a KeyError for one that has no row here."""
    return _OTHERS[service](operation, parameters, workgroup_arn)


def _glue(operation, given, _):
    if operation.endswith(("Database", "Table")):
        return _catalog(operation, given)
    name = given.get("JobName") or given.get("Name") or given["ResourceArn"].rpartition("/")[2]
    arn = f"arn:aws:glue:{REGION}:{ACCOUNT}:job/{name}"
    found = [Need(f"glue:{operation}", arn)]
    role = given.get("Role") or given.get("JobUpdate", {}).get("Role")
    if role:
        found.append(Need("iam:PassRole", role, {"iam:PassedToService": "glue.amazonaws.com"}))
    if given.get("Tags"):
        found.append(Need("glue:TagResource", arn))
    return found


def _catalog(operation, given):
    """Glue asks for a right on the catalog, the database, and what of it is named."""
    head = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    table = given.get("TableInput", given).get("Name") if operation.endswith("Table") else ""
    database = given.get("DatabaseName") or given.get("DatabaseInput", given).get("Name")
    resources = [f"{head}:catalog", f"{head}:database/{database}"]
    resources += [f"{head}:table/{database}/{table}"] if table else []
    if operation == "DeleteDatabase":  # with all that is in it
        resources += [f"{head}:{kind}/{database}/x" for kind in ("table", "userDefinedFunction")]
    return [Need(f"glue:{operation}", arn) for arn in resources]


def _lake(operation, given, _):
    found = [Need(f"lakeformation:{operation}", "*")]
    if given.get("UseServiceLinkedRole"):
        role = (f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/lakeformation.amazonaws.com/"
                "AWSServiceRoleForLakeFormationDataAccess")  # fmt: skip
        known = {"iam:AWSServiceName": "lakeformation.amazonaws.com"}
        actions = ("GetRole", "PutRolePolicy", "CreateServiceLinkedRole")
        found += [Need(f"iam:{action}", role, known) for action in actions]
    return found


def _datazone(operation, given, _):
    domain = f"arn:aws:datazone:{REGION}:{ACCOUNT}:domain/{given['domainIdentifier']}"
    return [Need(f"datazone:{operation}", domain)]


def _data_api(operation, given, workgroup_arn):
    if operation != "ExecuteStatement":
        owner = {"redshift-data:statement-owner-iam-userid": given["aws:userid"]}
        return [Need(f"redshift-data:{operation}", "*", owner)]
    if "SessionId" in given:
        owner = {"redshift-data:session-owner-iam-userid": given["aws:userid"]}
        return [Need("redshift-data:ExecuteStatement", "*", owner)]
    found = [Need("redshift-data:ExecuteStatement", workgroup_arn)]
    if "SecretArn" in given:
        return [*found, Need("secretsmanager:GetSecretValue", given["SecretArn"])]
    return [*found, Need("redshift-serverless:GetCredentials", workgroup_arn)]


def _serverless(operation, given, workgroup_arn):
    return [Need(f"redshift-serverless:{operation}", workgroup_arn)]


def _logs(operation, given, _):
    name = given.get("logGroupName")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}" if name else given["resourceArn"]
    if stream := given.get("logStreamName"):
        arn = f"{arn}:log-stream:{stream}"
    found = [Need(f"logs:{operation}", arn)]
    return [*found, Need("logs:TagResource", arn)] if given.get("tags") else found


def _kinesis(operation, given, _):
    if operation == "ListStreams":
        return [Need("kinesis:ListStreams", "*")]
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{given['StreamName']}"
    found = [Need(f"kinesis:{operation}", arn)]
    return [*found, Need("kinesis:AddTagsToStream", arn)] if given.get("Tags") else found


def _iam(operation, given, _):
    if operation == "GetRole":
        return [Need("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}")]
    return [Need("iam:SimulatePrincipalPolicy", given["PolicySourceArn"])]


def _secrets(operation, given, _):
    name = given["SecretId"]
    head = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
    return [Need(f"secretsmanager:{operation}",
                 name if name.startswith("arn:") else f"{head}{name}-abcdef")]  # fmt: skip


def _sagemaker(operation, given, _):
    kinds = {"ModelName": "model", "EndpointConfigName": "endpoint-config",
             "EndpointName": "endpoint", "TransformJobName": "transform-job"}  # fmt: skip
    head = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
    if operation.startswith("List") and operation != "ListTags":
        return [Need(f"sagemaker:{operation}", "*")]
    of_model = operation == "CreateTransformJob"  # it names one, and needs no right on it
    arns = [f"{head}{kind}/{given[name]}" for name, kind in kinds.items()
            if name in given and not (of_model and kind == "model")]  # fmt: skip
    arns = arns or [given["ResourceArn"].replace("000000000000", ACCOUNT)]
    found = [Need(f"sagemaker:{operation}", arn) for arn in arns]
    if given.get("Tags"):
        (own,) = [
            arn for arn in arns if operation.endswith(_KINDS[arn.split(":")[5].split("/")[0]])
        ]
        found.append(Need("sagemaker:AddTags", own))
    if role := given.get("ExecutionRoleArn"):
        found.append(Need("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"}))
    return found


_KINDS = {"model": "Model", "endpoint-config": "EndpointConfig", "endpoint": "Endpoint",
          "transform-job": "TransformJob"}  # fmt: skip


def _cloudwatch(operation, given, _):
    if operation == "DescribeAlarms":
        return [Need("cloudwatch:DescribeAlarms", "*")]
    if "ResourceARN" in given:
        return [Need(f"cloudwatch:{operation}", given["ResourceARN"])]
    names = [given["AlarmName"]] if "AlarmName" in given else given["AlarmNames"]
    arns = [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}" for name in names]
    found = [Need(f"cloudwatch:{operation}", arn) for arn in arns]
    return [*found, Need("cloudwatch:TagResource", arns[0])] if given.get("Tags") else found


def _scheduler(operation, given, _):
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{given['Name']}"
    found = [Need(f"scheduler:{operation}", arn)]
    return found + _passed(given.get("Target", {}).get("RoleArn"), "scheduler")


def _states(operation, given, _):
    named = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{given.get('name')}"
    arn = given.get("stateMachineArn") or given.get("resourceArn") or named
    found = [Need(f"states:{operation}", arn)]
    if given.get("tags"):
        found.append(Need("states:TagResource", arn))
    return found + _passed(given.get("roleArn"), "states")


def _codebuild(operation, given, _):
    found = [Need(f"codebuild:{operation}", f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/{name}")
             for name in given.get("names", [given.get("name")])]  # fmt: skip
    return found + _passed(given.get("serviceRole"), "codebuild")


def _passed(role, service):
    context = {"iam:PassedToService": f"{service}.amazonaws.com"}
    return [Need("iam:PassRole", role, context)] if role else []


_OTHERS = {
    "lakeformation": _lake, "datazone": _datazone,
    "scheduler": _scheduler, "stepfunctions": _states, "codebuild": _codebuild,
    "glue": _glue, "redshift-data": _data_api, "redshift-serverless": _serverless,
    "sagemaker": _sagemaker, "cloudwatch": _cloudwatch,
    "kinesis": _kinesis, "logs": _logs, "iam": _iam, "secretsmanager": _secrets,
    "sts": lambda *_: [],  # GetCallerIdentity needs no right
}  # fmt: skip


def method_of(action):
    """Return boto3's name for the call that an action is for."""
    return xform_name(action.partition(":")[2])
