"""Data sets: one shape of answer, however the files look."""

from mcu_nas.datasets.catalogue import DataOptions, dataset_names, load_dataset
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.images import resize
from mcu_nas.datasets.splits import Splits, split

__all__ = ["DataOptions", "Dataset", "Splits", "dataset_names", "load_dataset", "resize", "split"]
