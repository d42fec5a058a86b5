"""Models on the Hugging Face Hub: upload and download of a model folder.

https://huggingface.co/docs/huggingface_hub/guides/upload
"""

from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.encoder.hub_names import split_revision
from espnet_sentiment.model.layout import CONFIG, TEXT
from espnet_sentiment.pack.layout import (
    DESCRIPTION,
    ENCODER,
    META,
    README,
    STATS,
    WEIGHTS,
)

FOLDERS = [f"{ENCODER}/*", f"{TEXT}/*"]
# Nothing else of a repository is asked for.
PATTERNS = [DESCRIPTION, CONFIG, WEIGHTS, STATS, META, README, *FOLDERS]


def push_model(folder: Path, name: str, private: bool = False) -> str:
    """Upload a model folder, with the token that ``hf auth login`` keeps.

    Args:
        folder: What ``pack_model`` wrote.
        name: ``owner/name``; the repository is made if there is none.
        private: Whether a new one is seen by its owner alone.

    Returns:
        The repository's address.

    Raises:
        DataError: There is no token, the Hub refuses, or it cannot be reached.
    """
    import huggingface_hub

    api = huggingface_hub.HfApi(library_name="espnet_sentiment")
    try:
        url = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            commit_message="Upload a model by espnet-sentiment pack",
            allow_patterns=PATTERNS,
            # What an earlier one held, such as an encoder, goes.
            delete_patterns=[STATS, *FOLDERS],
        )
    # The library has errors of its own, and passes on those of httpx.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{name} cannot be pushed to the Hugging Face Hub ({reason}): log in by "
            "'hf auth login' with a token that may write, and check name and connection"
        ) from error
    return str(url)


def download_model(name: str) -> Path:
    """Download a model folder.

    Args:
        name: ``owner/name``, or ``owner/name@revision``.

    Returns:
        Its folder in the Hub's cache.
    """
    import huggingface_hub

    repository, revision = split_revision(name)
    return Path(
        huggingface_hub.snapshot_download(
            repository,
            revision=revision,
            allow_patterns=PATTERNS,
            library_name="espnet_sentiment",
        )
    )
