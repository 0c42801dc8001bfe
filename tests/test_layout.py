"""Tests mirror the source, files stay readable, and what belongs to the program as a whole stays at its door."""

from __future__ import annotations

import ast
from pathlib import Path

HOUSE = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "predictors", "hardware", "results", "nas")
MOST_LINES = 250

# Tests of more than one file, by what they hold together.
TESTS_OF_THE_WHOLE = {
    "tests/test_layout.py": "the house itself",
    "tests/test_docstrings.py": "every docstring of the house",
    "tests/test_nan.py": "every bound of the house, and what is not to take NaN",
    "tests/test_imports.py": "which package may load what",
    "tests/test_examples.py": "examples/ as a reader runs them",
    "tests/test_documents.py": "commands, keys and links in README.md, CONTRIBUTING.md and docs/",
    "tests/test_plugin.py": "examples/plugin/ as another package extends the engine",
    "tests/nas/test_border.py": "a candidate on its way from asked to exported",
    "tests/nas/test_public_names.py": "nas/__init__.py, and what a user's type checker makes of it",
    "tests/predictors/test_reference_data.py": "the predictors on published networks and devices",
    "tests/nas/compression/test_resnet20.py": "compression of a published network, against published accuracies",
    "tests/nas/compression/tracing/test_resnet20.py": "the same, traced and not built of our layers",
    "tests/nas/compression/allocation/test_reference_data.py": "allocators on published networks, costs and optima",
    "tests/nas/export/test_network_model.py": "hardware/profiling/network_model.py against what nas/export writes",
    "tests/nas/training/test_multi_precision.py": "a schedule, from the training to the accuracy at two bits",
    "tests/nas/jobs/test_front_law.py": "no point of a front is worse than uniform policies, of all files of a run",
    "tests/nas/jobs/test_tasks.py": "a job of each task, of all files of a run",
    "tests/nas/search/runner/test_faults.py": "a search whose workers, database or driver break, of all files of a run",
    "tests/fuzz/test_mutations.py": "mutations that tests of every kind of file share",
    "tests/fuzz/test_fuzzer.py": "what tells right input, clear lines and faults apart",
    "tests/fuzz/test_all.py": "every form of input that users hand over, mutated",
    "tests/nas/jobs/test_data_of_users.py": "whole jobs on data in the layouts that users have",
    "tests/test_postgresql.py": "what runs on a database server instead of a file",
}

# Sources without a test file of their own, by where they are tested.
REGISTRIES = "tests/search_spaces/test_registry.py: all registries keep one contract"
POOLS = "tests/nas/evaluation/test_pools.py: pools of every kind carry out one measurement alike"
TRACES = "tests/nas/compression/tracing/test_trace.py: only a trace of a module makes what it reads"
WHOLE_JOB = "tests/nas/jobs/test_run.py: a whole job, killed, resumed, and on Ray"
WRONG_FILES = "tests/nas/cli/test_main.py: wrong files, each in one line"
SEARCHERS = "tests/nas/search/protocol/test_searcher.py: all searchers keep one contract"
LAYOUT = "tests/nas/data/layouts/test_registry.py: all layouts keep one contract"
DATA = "tests/nas/data/test_sources.py: data sets from their files to splits"
ROUNDINGS = "tests/nas/compression/rounding/test_rounding.py: all roundings keep one contract"
REPAIR = "tests/nas/compression/repair/test_repair_network.py: networks that are rounded layer by layer"
REPAIRS = "tests/nas/compression/repair/test_repair.py: all repairs keep one contract"
CHANNELS = "tests/search_spaces/channels/test_coupled_channels.py, and networks that are narrowed"
WIDTHS = "tests/nas/compression/pruning/test_widths.py: widths, their costs and baselines on one network"
DISTILLED = "tests/nas/jobs/stages/test_distill.py: jobs whose images are distilled"
STORED = "tests/nas/export/test_network_file.py: networks of every kind, stored and built again"
VERIFICATION = "tests/nas/verification/test_checks.py: every check, by what it is to catch"
TESTED_ELSEWHERE: dict[str, str] = {
    "nas/jobs/stages/manifests.py": "tests/nas/jobs/stages/test_export.py: what the manifest of a file says",
    "nas/verification/check.py": VERIFICATION,
    "nas/verification/layers.py": VERIFICATION,
    "nas/verification/structure.py": VERIFICATION,
    "nas/verification/sessions.py": VERIFICATION,
    "nas/verification/timing.py": VERIFICATION,
    "nas/verification/parity.py": "tests/nas/export/test_agreement.py: outputs of torch and of a runtime",
    "nas/compression/data_free/distilled_source.py": DISTILLED,
    "nas/data/network_inputs.py": DISTILLED,
    "nas/tasks/divergence.py": "tests/nas/tasks/metrics/test_agreement.py: it is that of probabilities",
    "nas/jobs/files/compressed_job.py": "tests/nas/jobs/test_compress.py, and test_submission.py: what is refused",
    "nas/jobs/files/device_section.py": "tests/nas/jobs/files/test_job.py: the sections of a job",
    "nas/jobs/stages/candidate_export.py": "tests/nas/jobs/test_export_candidate.py: by key, as the program does it",
    "nas/jobs/stages/image_reading.py": "tests/nas/jobs/test_export_candidate.py: what reads images, by key",
    "nas/jobs/stages/candidate_notes.py": "tests/nas/jobs/test_export_candidate.py: what a file tells, and its page",
    "nas/jobs/stages/export_formats.py": "tests/nas/jobs/test_export_candidate.py: formats are the same network",
    "nas/export/stored_graph.py": STORED,
    "nas/export/stored_layers.py": STORED,
    "nas/export/stored_parts.py": STORED,
    "nas/export/torch_program.py": "tests/nas/jobs/test_export_candidate.py: a program gives what the network gives",
    "nas/jobs/stages/candidate_network.py": "tests/nas/jobs/test_compress.py: a candidate is stored, and compressed",
    "nas/jobs/stages/channel_ranking.py": "tests/nas/jobs/stages/test_distill.py, test_sensitivity.py: whole jobs",
    "nas/jobs/stages/forecast.py": "tests/nas/jobs/stages/test_sensitivity.py: it is said once, beforehand",
    "nas/jobs/stages/table_request.py": "tests/nas/jobs/stages/test_profile.py: where tables lie",
    "nas/jobs/stages/search_identity.py": "tests/nas/jobs/stages/test_given_values.py, test_pair_entries.py: as begun",
    "nas/jobs/stages/tuners.py": "tests/nas/jobs/stages/test_finetune.py, and of given networks test_compress.py",
    "nas/compression/pruning/baselines.py": WIDTHS,
    "nas/compression/pruning/width_costs.py": WIDTHS,
    "nas/compression/pruning/width_damage.py": "tests/nas/compression/pruning/test_pruner.py: damages",
    "nas/compression/pruning/registry.py": REGISTRIES,
    "search_spaces/channels/labels.py": CHANNELS,
    "search_spaces/channels/rule.py": CHANNELS,
    "search_spaces/channels/layer_rules.py": CHANNELS,
    "search_spaces/channels/arrangement_rules.py": CHANNELS,
    "search_spaces/channels/product_rules.py": CHANNELS,
    "search_spaces/channels/registry.py": REGISTRIES,
    "nas/compression/equalization/registry.py": REGISTRIES,
    "nas/compression/rounding/ada_quant.py": ROUNDINGS,
    "nas/compression/rounding/ada_round.py": ROUNDINGS,
    "nas/compression/rounding/round_to_nearest.py": ROUNDINGS,
    "nas/compression/repair/batched_walk.py": REPAIR,
    "nas/compression/repair/batch_norm.py": REPAIRS,
    "nas/compression/repair/bias_correction.py": REPAIRS,
    "nas/compression/repair/bias_tuning.py": REPAIRS,
    "nas/compression/repair/registry.py": REGISTRIES,
    "nas/compression/low_rank/registry.py": REGISTRIES,
    "nas/training/checkpoint_header.py": "tests/nas/training/test_checkpoint.py: a header of another type or depth",
    "nas/data/layouts/array_names.py": "tests/nas/data/layouts/test_numpy_files.py: names of arrays in archives",
    "nas/data/survey/headers.py": "tests/nas/data/survey/test_take.py: sizes and modes of a survey",
    "nas/data/survey/survey.py": "tests/nas/data/survey/test_take.py: what a survey says",
    "nas/data/survey/value_ranges.py": "tests/nas/data/survey/test_take.py: dark images",
    "nas/data/input_transform.py": "tests/nas/data/test_normalization.py, tests/nas/data/decoding/test_text_encoder.py",
    "nas/data/tokens.py": "tests/nas/data/decoding/test_text_encoder.py: from texts to inputs of a network",
    "nas/data/reading.py": "values without behaviour; what they do: tests/nas/data/decoding/test_image_decoder.py",
    "nas/data/decoding/decoder.py": "tests/nas/data/decoding/test_image_decoder.py: a base without behaviour",
    "nas/data/layouts/layout.py": DATA,
    "nas/data/decoding/pixels.py": "tests/nas/data/decoding/test_image_decoder.py: the only one that converts pixels",
    "nas/data/layouts/digits.py": DATA,
    "nas/data/layouts/parquet.py": DATA,
    "nas/data/layouts/saved_datasets.py": LAYOUT,
    "nas/data/layouts/columns.py": LAYOUT,
    "nas/data/layouts/tar_index.py": "tests/nas/data/layouts/test_tar_shards.py: only shards are indexed",
    "nas/data/layouts/text_table.py": "tests/nas/data/layouts/test_tables.py: only tables are read by it",
    "nas/data/layouts/records.py": DATA,
    "nas/data/layouts/joined_records.py": DATA,
    "nas/data/layouts/row_groups.py": DATA,
    "nas/jobs/files/data_section.py": WRONG_FILES,
    "nas/training/progress.py": "a report without behaviour; what is in it: tests/nas/training/test_trainer.py",
    "nas/cli/cluster.py": "tests/nas/jobs/cluster/test_jobs_api.py: what its commands call",
    "nas/cli/compare.py": "tests/nas/jobs/comparison/test_compare.py: what its command calls",
    "nas/cli/console.py": "every test of a command prints on it",
    "nas/jobs/console/event_log.py": "tests/nas/jobs/console/test_training_progress.py: its events, a full disk",
    "nas/jobs/console/reporter.py": "tests/nas/jobs/console/test_training_progress.py: bars and lines",
    "nas/jobs/console/summary.py": WHOLE_JOB,
    "nas/jobs/console/table_summary.py": "tests/nas/cli/test_tables.py: what a table says",
    "nas/jobs/files/comparison_file.py": "tests/nas/jobs/comparison/test_table_comparison.py: each mistake",
    "nas/jobs/files/roofline_file.py": "tests/nas/cli/test_tables.py: a device from its file, and mistakes in it",
    "nas/jobs/files/section.py": WRONG_FILES,
    "nas/jobs/files/space_section.py": WRONG_FILES,
    "nas/jobs/stages/damage_entries.py": "tests/nas/jobs/stages/test_sensitivity.py: a table, killed and resumed",
    "nas/compression/sensitivity/written_values.py": "tests/nas/compression/sensitivity/test_effective_rank.py",
    "nas/jobs/stages/measurements.py": "tests/nas/jobs/stages/test_expected_values.py, and " + WHOLE_JOB,
    "nas/jobs/stages/network_files.py": "tests/nas/jobs/stages/test_finetune.py: a file is what was measured",
    "nas/jobs/stages/predicted_search.py": WHOLE_JOB,
    "nas/jobs/stages/subject.py": "tests/nas/jobs/stages/test_measured_search.py: who lends whom measurements",
    "nas/jobs/stages/train.py": "tests/nas/cli/test_jobs.py: unfinished trainings, full disks",
    "nas/jobs/workspace.py": WHOLE_JOB,
    "nas/compression/allocation/registry.py": REGISTRIES,
    "nas/compression/allocation/sweep_step.py": "tests/nas/compression/allocation/test_sweep.py, test_frontier.py",
    "nas/one_hot_program.py": "tests/nas/search/integer_program/test_additive_program.py, and allocators",
    "nas/compression/observers/registry.py": REGISTRIES,
    "nas/compression/rounding/registry.py": REGISTRIES,
    "nas/compression/sensitivity/registry.py": REGISTRIES,
    "nas/tasks/metrics/registry.py": REGISTRIES,
    "nas/tasks/registry.py": REGISTRIES,
    "nas/compression/tracing/arrangement_recognition.py": TRACES,
    "nas/compression/tracing/batch.py": TRACES,
    "nas/compression/tracing/call.py": TRACES,
    "nas/compression/tracing/constants.py": TRACES,
    "nas/compression/tracing/opaque_call.py": TRACES,
    "nas/compression/tracing/program_graph.py": TRACES,
    "nas/compression/tracing/recognition.py": TRACES,
    "nas/evaluation/local_pools.py": POOLS,
    "search_spaces/families/given_widths.py": "tests/search_spaces/families/test_given.py: widths of a space",
    "nas/evaluation/measurement.py": POOLS,
    "nas/evaluation/measuring.py": POOLS,
    "nas/evaluation/pool.py": POOLS,
    "nas/evaluation/ray_pool.py": POOLS,
    "nas/evaluation/worker.py": POOLS,
    "nas/evaluation/worker_pool.py": POOLS,
    "nas/evaluation/worker_process.py": POOLS,
    "nas/export/onnx_layer.py": "tests/nas/export/test_onnx_model.py: what a layer becomes shows in the model",
    "nas/export/onnx_template.py": "tests/nas/evaluation/test_given_workloads.py: its forms are what exports are",
    "nas/search/surrogate/floor_bisection.py": "tests/nas/search/searchers/test_allocation.py: it asks step by step",
    "nas/search/protocol/outlook.py": "what it says is read in tests/nas/search/surrogate/test_gain_forecast.py",
    "nas/search/protocol/search_method.py": "tests/nas/search/test_registry.py: what methods say and refuse",
    "nas/search/runner/in_flight.py": "tests/nas/search/runner/test_loop.py: only runs make use of it",
    "nas/search/searchers/evolution.py": SEARCHERS,
    "nas/search/searchers/genetic.py": "tests/nas/search/searchers/test_nsga2.py: a method is what makes it a search",
    "nas/search/searchers/linas.py": SEARCHERS,
    "nas/search/searchers/nsga3.py": SEARCHERS,
    "nas/search/searchers/optuna_search.py": SEARCHERS,
    "nas/search/searchers/random_search.py": SEARCHERS,
    "results/database/migrations/env.py": "Alembic runs it: tests/results/database/test_migration.py",
    "results/database/migrations/versions/r0001_baseline.py": "as above",
    "results/database/migrations/versions/r0002_failures.py": "as above",
    "results/database/migrations/versions/r0003_job_documents.py": "as above",
    "results/database/queries.py": "their answers are those of tests/results/database/test_results_database.py",
    "results/database/run_metrics.py": "what it finds decides what tests/results/database/test_row_checks.py reads",
    "results/database/schema.py": "held against the revisions in tests/results/database/test_migration.py",
    "results/pages/pareto_chart.py": "what it draws is read from the page in tests/results/pages/test_pareto_page.py",
    "results/pages/template.py": "what it writes is read in tests/results/pages/test_pareto_page.py",
    "hardware/document.py": "tests/hardware/tables/test_table_metadata.py: what documents refuse",
    "hardware/tables/sealed_parquet.py": "tests/hardware/tables/test_table_file.py: seals, cells and sizes",
    "hardware/tables/table_rows.py": "tests/hardware/tables/test_table_file.py: every cell",
    "hardware/profiling/onnx_workload.py": "tests/hardware/profiling/test_openvino_model.py: what it builds and draws",
    "hardware/profiling/onnx_forms.py": "tests/search_spaces/operators/test_registry.py: every form agrees with torch",
}


def _sources() -> set[str]:
    files = (path for package in PACKAGES for path in (HOUSE / package).rglob("*.py"))
    return {str(path.relative_to(HOUSE)) for path in files if path.name != "__init__.py"}


def _tests() -> set[str]:
    return {str(path.relative_to(HOUSE)) for path in (HOUSE / "tests").rglob("test_*.py")}


def _mirror(source: str) -> str:
    path = Path(source)
    return str(Path("tests") / path.parent / f"test_{path.name}")


def test_every_source_has_the_test_that_mirrors_it_or_a_reason() -> None:
    without = {source for source in _sources() if _mirror(source) not in _tests()}
    assert without - set(TESTED_ELSEWHERE) == set()
    assert set(TESTED_ELSEWHERE) - without == set()  # no reason outlives its cause


def test_every_test_mirrors_a_source_or_has_a_reason() -> None:
    mirrors = {_mirror(source) for source in _sources()}
    assert _tests() - mirrors - set(TESTS_OF_THE_WHOLE) == set()
    assert set(TESTS_OF_THE_WHOLE) - (_tests() - mirrors) == set()


def test_files_are_short_enough_to_read_in_one_sitting() -> None:
    lengths = {source: len((HOUSE / source).read_text().splitlines()) for source in _sources()}
    assert {source: lines for source, lines in lengths.items() if lines > MOST_LINES} == {}


def test_only_the_door_knows_the_workspace() -> None:
    def takes_it(path: str) -> bool:
        tree = ast.parse((HOUSE / path).read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        return any(one.arg == "workspace" for node in functions for one in ast.walk(node) if isinstance(one, ast.arg))

    door = {
        "nas/jobs/run.py",
        "nas/jobs/compress.py",
        "nas/jobs/export_candidate.py",
        *(source for source in _sources() if source.startswith("nas/cli/")),
    }
    assert {source for source in _sources() if takes_it(source)} - door == set()
