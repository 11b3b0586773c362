"""The two sides of a critic's hinge loss, on its scores of patches."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def critic_loss(
    style_scores: Float[Array, "b _ _"], output_scores: Float[Array, "b _ _"]
) -> Float[Array, ""]:
    """Returns the critic's hinge loss: 0 if styles score above 1, results below -1.

    The loss of MGAN's patches (Li and Wand 2016): the mean hinge over positions of
    both.

    Args:
        style_scores: Scores of the patches of the style.
        output_scores: Scores of the patches of the stylized image, of any size.
    """
    of_style = jnp.maximum(1.0 - style_scores.astype(jnp.float32), 0.0)
    of_output = jnp.maximum(1.0 + output_scores.astype(jnp.float32), 0.0)
    return of_style.mean() + of_output.mean()


def adversarial_loss(output_scores: Float[Array, "b _ _"]) -> Float[Array, ""]:
    """Returns the model's adversarial loss: the negative mean score of its patches."""
    return -output_scores.astype(jnp.float32).mean()
