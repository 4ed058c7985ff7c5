"""What POST /v1/jobs takes: one Struct for each kind of the catalog, told apart by `kind`."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final

from msgspec import defstruct

from api.options import Options, UniqueBody
from domain.catalog import KINDS
from domain.jobs.kind import Input, Kind


class Submission(Options, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag=""):
    """A job as submitted; each kind has its own form, told apart by `kind`."""

    unique: UniqueBody | None = None

    @property
    def given(self) -> Input:
        """The kind's input."""
        given: Input = self.input  # type: ignore[attr-defined] # every form defines it, with its own type
        return given


def _form(kind: Kind[Any, Any]) -> type[Submission]:
    name = "".join(part.capitalize() for part in kind.name.replace(".", "_").split("_"))
    # mypy sees what every Struct made here is, not what these bases make of it
    form: type[Submission] = defstruct(  # type: ignore[assignment]
        f"{name}Submission",
        [("input", kind.input)],
        bases=(Submission,),
        namespace={"__doc__": f"A job of the kind {kind.name}: {kind.summary}"},
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        tag_field="kind",
        tag=kind.name,
    )
    return form


FORMS: Final[dict[str, type[Submission]]] = {kind.name: _form(kind) for kind in KINDS if not kind.internal}

if TYPE_CHECKING:
    AnySubmission = Submission
else:
    AnySubmission = reduce(or_, FORMS.values())
    """The union of all forms: what a body is decoded into, in one pass."""


def kind_of(submission: Submission) -> str:
    """The name of the kind a submission is of."""
    return str(submission.__struct_config__.tag)
