"""napari plugin for self-supervised pretraining and segmentation of cardiac MR cines."""
