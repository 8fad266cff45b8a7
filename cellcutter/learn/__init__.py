"""Stores into models: a dataset and samplers for torch (``pip install 'cellcutter[torch]'``)."""

from cellcutter.learn.dataset import CellDataset, collate
from cellcutter.learn.samplers import BalancedSampler, ShardSampler

__all__ = ["BalancedSampler", "CellDataset", "ShardSampler", "collate"]
