"""Random numbers depend on the seed, the stream and the index, and on nothing else."""

from __future__ import annotations

from nas.training.random_streams import Stream, numpy_generator, torch_generator


def test_every_seed_stream_and_index_has_numbers_of_its_own() -> None:
    keys = [(seed, stream, *index) for seed in (0, 1) for stream in Stream for index in ((1,), (2,), (1, 1), (2, 1))]
    drawn = [int(numpy_generator(*key).integers(2**62)) for key in keys]
    assert len(set(drawn)) == len(keys)
    assert drawn == [int(numpy_generator(*key).integers(2**62)) for key in keys]
    seeds = [torch_generator(*key).initial_seed() for key in keys]
    assert len(set(seeds)) == len(keys)
    assert seeds == [torch_generator(*key).initial_seed() for key in keys]
