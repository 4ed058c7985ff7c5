"""A form for each kind of the catalog: what a body says of a job, told apart by `kind` as it is decoded."""

from typing import Any, TypeVar

from msgspec import Struct, defstruct

from domain.jobs.kind import Kind

FormT = TypeVar("FormT", bound=Struct)


def form_of(kind: Kind[Any, Any], base: type[FormT], *, told: str) -> type[FormT]:
    """`base` with the input of `kind`, tagged with its name; `told` begins what its schema says of it."""
    name = "".join(part.capitalize() for part in kind.name.replace(".", "_").split("_"))
    # mypy sees what every Struct made here is, not what these bases make of it
    form: type[FormT] = defstruct(  # type: ignore[assignment]
        f"{name}{base.__name__}",
        [("input", kind.input)],
        bases=(base,),
        namespace={"__doc__": f"{told} {kind.name}: {kind.summary}"},
        module=base.__module__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        tag_field="kind",
        tag=kind.name,
    )
    return form
