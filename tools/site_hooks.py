"""Hooks of mkdocs: pages from the repository's root, and a check for remote assets."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {
    "README.md": "index.md",
    **{
        f"{n}.md": f"{n}.md"
        for n in ("MODEL_CARD", "CHANGELOG", "CONTRIBUTING", "SECURITY")
    },
    "NOTICE": "NOTICE.txt",
    "LICENSE": "LICENSE.txt",
}
"""Files of the repository's root, and their places on the site."""

_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_REMOTE = re.compile(
    r"<(?:script|img|iframe|source|video)[^>]*\ssrc=[\"']?(?:https?:)?//"
    r"|<link(?=[^>]*rel=[\"']?(?:stylesheet|preconnect|icon))[^>]*href=[\"']?(?:https?:)?//"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the repository's root."""
    for source, place in ROOT_PAGES.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Rewrites links for the places that pages of the root have on the site."""
    del config, files
    from_root = page.file.src_uri in ROOT_PAGES.values()

    def rewrite(match: re.Match[str]) -> str:
        target, hash_, anchor = match[2].partition("#")
        if from_root:
            target = target.removeprefix("docs/")
        else:
            target = target.removeprefix("../") if target[3:] in ROOT_PAGES else target
        return f"{match[1]}{ROOT_PAGES.get(target, target)}{hash_}{anchor}{match[3]}"

    return _LINK.sub(rewrite, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuses a page that would load something from another server.

    Raises:
        PluginError: If there is such an address.
    """
    del config
    if found := _REMOTE.search(output):
        raise PluginError(f"{page.file.src_uri} loads a remote asset: {found[0]}")
    return output
