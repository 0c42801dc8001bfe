"""Tasks by name. Listing them loads no torch; a task is loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.tasks.task import Task

CLASSIFICATION, MULTI_LABEL, REGRESSION = "classification", "multi_label", "regression"
OWN_LOSS = "of an own loss"  # the kind of a task that has no name


def _is_task(entry: object) -> bool:
    from nas.tasks.task import Task

    return isinstance(entry, Task)


TASKS: Registry[Task] = Registry(
    "task",
    {
        CLASSIFICATION: Located("nas.tasks.classification", "CLASSIFICATION"),
        MULTI_LABEL: Located("nas.tasks.multi_label", "MULTI_LABEL"),
        REGRESSION: Located("nas.tasks.regression", "REGRESSION"),
    },
    _is_task,
)
