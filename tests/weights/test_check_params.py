import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.weights.store import check_params


def test_fitting_params_pass_and_others_list_all_that_is_wrong():
    expected = {
        "conv0": {"kernel": jax.ShapeDtypeStruct((3, 3, 4, 3), jnp.float32)},
        "conv1": {"bias": jax.ShapeDtypeStruct((3,), jnp.float32)},
    }
    check_params(expected, jax.tree.map(lambda s: np.zeros(s.shape), expected), "it")
    got = {"conv0": {"kernel": np.zeros((3, 3, 8, 3))}, "conv9": np.zeros(1)}
    with pytest.raises(ValueError, match="the decoder does not fit") as caught:
        check_params(expected, got, "the decoder")
    assert str(caught.value).endswith(
        "1 missing: conv1/bias; 1 extra: conv9; "
        "1 misshapen: conv0/kernel is (3, 3, 8, 3), not (3, 3, 4, 3)"
    )


def test_a_long_list_of_names_is_cut_and_counted():
    extra = {f"conv{i:02}": np.zeros(1) for i in range(25)}
    with pytest.raises(ValueError, match=r"25 extra: conv00.*conv19 and 5 more$"):
        check_params({}, extra, "it")
