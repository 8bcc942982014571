"""What mkdocs calls: pages that are made, the navigation with folders listed, links that lead to pages of the site."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_pages import api, command, links, nav, profiles, tutorials


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and put the pages of a folder in the place of its pattern in the navigation."""
    made = {**api.pages(), "reference/command.md": command.page(), **profiles.pages(), **links.texts()}
    for page, content in {**made, **tutorials.files(Path(config.docs_dir) / "tutorials")}.items():
        files.append(File.generated(config, page, content=content))
    written = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    for page, content in links.sources(written).items():
        files.append(File.generated(config, page, content=content))
    pages = [file.src_uri for file in files.documentation_pages()]
    config.nav = nav.expanded(config.nav, pages, config.extra["order"])
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs calls it so
    """Return the page with its links led to pages of the site."""
    return links.rewritten(profiles.with_rules(markdown), page.file.src_uri)
