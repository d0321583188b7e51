"""Names by which arrays of images and of labels are known in files with several arrays."""

IMAGE_KEYS = ("images", "x", "X", "x_train", "arr_0")
LABEL_KEYS = ("labels", "y", "Y", "y_train")
