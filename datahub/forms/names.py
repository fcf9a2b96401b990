"""The forms that rows are told in: name, file ending, media type; and which one is asked for."""

from __future__ import annotations

from datahub.model import Struct


class Form(Struct, frozen=True):
    """A form of rows."""

    name: str  # also the value of format= and the ending of a file
    media_type: str
    binary: bool = False

    @property
    def suffix(self) -> str:
        """Ending of a file's name, with its dot."""
        return f".{self.name}"


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(name="json", media_type="application/json"),
        Form(name="ndjson", media_type="application/x-ndjson"),
        Form(name="csv", media_type="text/csv; charset=utf-8"),
        Form(name="tsv", media_type="text/tab-separated-values; charset=utf-8"),
        Form(
            name="xlsx",
            media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            binary=True,
        ),
        Form(name="parquet", media_type="application/vnd.apache.parquet", binary=True),
        Form(name="arrow", media_type="application/vnd.apache.arrow.stream", binary=True),
        Form(name="geojson", media_type="application/geo+json"),
        Form(name="xml", media_type="application/xml; charset=utf-8"),
    )
}
