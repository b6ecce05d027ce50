"""From cine stacks to augmented slice samples: heart centre, slice bank, resampling, augmentation, masks."""
