import jax

from styleflax.training.checkpoint import Checkpoints, leaf_digests


def test_optimizer_state_in_checkpoints_counts_the_steps_of_its_phase(
    train_tiny, tiny_config, tmp_path
):
    state = train_tiny(tiny_config, tmp_path / "run")
    counts = [
        int(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.opt_state)
        if "count" in jax.tree_util.keystr(path)
    ]
    assert counts == [6]
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints", 3, read_only=True)
    restored, notes = checkpoints.restore_newest(state)
    checkpoints.close()
    assert leaf_digests(restored) == leaf_digests(state)
    assert notes["environment"]["num_devices"] == "1"
