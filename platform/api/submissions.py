"""What POST /v1/jobs takes: one Struct for each kind of the catalog, told apart by `kind`."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Final

from api.forms import form_of
from api.options import JobWebhook, Options, UniqueBody
from domain.catalog import KINDS
from domain.jobs.kind import Input


class Submission(Options, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag=""):
    """A job as submitted; each kind has its own form, told apart by `kind`."""

    unique: UniqueBody | None = None
    webhook: JobWebhook | None = None

    @property
    def given(self) -> Input:
        """The kind's input."""
        given: Input = self.input  # type: ignore[attr-defined] # every form defines it, with its own type
        return given


FORMS: Final[dict[str, type[Submission]]] = {
    kind.name: form_of(kind, Submission, told="A job of the kind") for kind in KINDS if not kind.internal
}

if TYPE_CHECKING:
    AnySubmission = Submission
else:
    AnySubmission = reduce(or_, FORMS.values())
    """The union of all forms: what a body is decoded into, in one pass."""


def kind_of(submission: Submission) -> str:
    """The name of the kind a submission is of."""
    return str(submission.__struct_config__.tag)
