"""Models on disk, with their versions: found, opened, replaced while they serve."""

from yumen.tensors.repository.config import ConfigWrong, Labels, ModelConfig, RepositoryConfig, TensorConfig, narrowed
from yumen.tensors.repository.repository import Repository
from yumen.tensors.repository.served import Served
from yumen.tensors.repository.source import Folder, Found, Single, Source, VersionFiles

__all__ = [
    "ConfigWrong",
    "Folder",
    "Found",
    "Labels",
    "ModelConfig",
    "Repository",
    "RepositoryConfig",
    "Served",
    "Single",
    "Source",
    "TensorConfig",
    "VersionFiles",
    "narrowed",
]
