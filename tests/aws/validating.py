"""Stands in for an AWS service; what goes in and out is checked against botocore's model."""

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator


class Played:
    """A client of one service whose operations are the subclass's methods, by boto3's names."""

    service = ""

    def __init__(self):
        self.calls = []
        model = botocore.session.get_session().get_service_model(self.service)
        names = {botocore.xform_name(name): name for name in model.operation_names}
        for name in [n for n in names if hasattr(type(self), n)]:
            setattr(self, name, self._checked(getattr(self, name), model, names[name]))

    def _checked(self, operation, model, name):
        shapes = model.operation_model(name)

        def call(**arguments):
            valid(arguments, shapes.input_shape)
            self.calls.append((name, arguments))
            answer = operation(**arguments)
            valid(answer, shapes.output_shape)
            return answer

        return call


def valid(values, shape):
    if shape is None:
        return
    report = ParamValidator().validate(values, shape)
    assert not report.has_errors(), report.generate_report()


def refusal(code, operation="Operation", message="no"):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
