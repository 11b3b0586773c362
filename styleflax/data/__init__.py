"""Pictures and streams of pictures, without TensorFlow."""
