"""From cines to augmented crops: heart centre, slice bank, resampling, augmentation and patch masks."""
