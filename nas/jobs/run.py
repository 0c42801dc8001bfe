"""The whole job: the chain of its stages, each skipped where it is done.

In: a workspace. Out: exported networks and a page.
"""

from __future__ import annotations

from pathlib import Path

from nas.jobs.export import export
from nas.jobs.fit import fit, fitted_accuracy
from nas.jobs.profile import latency_table, profile
from nas.jobs.search import VerifiedFront, search
from nas.jobs.summary import summarize
from nas.jobs.train import train, trained_checkpoint
from nas.jobs.workspace import Workspace


def run(workspace: Workspace) -> Path:
    """Carries out the whole job; what an earlier run of the same job did is not done again.

    Returns:
        The page with the Pareto front.
    """
    profile(workspace)  # first: an unsupported bit-width shows before hours of training
    checkpoint = train(workspace)
    fit(workspace, checkpoint)
    return finish(workspace)


def search_front(workspace: Workspace) -> VerifiedFront:
    """Searches and verifies on what the earlier stages left.

    Raises:
        ValueError: If an earlier stage is not done.
    """
    checkpoint = trained_checkpoint(workspace)
    return search(workspace, checkpoint, latency_table(workspace), fitted_accuracy(workspace, checkpoint))


def finish(workspace: Workspace) -> Path:
    """Searches, unless that is done, and exports.

    Raises:
        ValueError: If an earlier stage is not done.
    """
    front = search_front(workspace)
    networks, folder = export(workspace, trained_checkpoint(workspace), front)
    return summarize(workspace, front, networks, folder)
