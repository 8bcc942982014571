"""What mkdocs calls: pages that are made, the navigation with folders listed, links that lead to pages of the site."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_pages import api, command, links, nav, profiles, tutorials

titles: dict[str, str] = {}
"""Page -> its first heading, of all pages of the build."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and put the pages of a folder in the place of its pattern in the navigation."""
    made = {**api.pages(), "reference/command.md": command.page(), **profiles.pages(), **links.texts()}
    for page, content in {**made, **tutorials.files(Path(config.docs_dir) / "tutorials")}.items():
        files.append(File.generated(config, page, content=content))
    written = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    for page, content in links.sources(written).items():
        files.append(File.generated(config, page, content=content))
    titles.update({page: links.title_of(content) for page, content in written})
    pages = [file.src_uri for file in files.documentation_pages()]
    config.nav = nav.expanded(config.nav, pages, config.extra["order"])
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Write the index of the search as a script, too, which pages load that are opened from a folder."""
    index = Path(config.site_dir) / "search" / "search_index.json"
    index.with_suffix(".js").write_text(f"var __index = {index.read_text(encoding='utf-8')}", encoding="utf-8")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - mkdocs calls it so
    """Name the dialog of the search, which the theme leaves without a name."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs calls it so
    """Return the page with its links led to pages of the site."""
    address = page.file.src_uri
    drawn = links.with_pictures(profiles.with_rules(markdown), address)
    return links.rewritten(links.with_titles(drawn, address, titles), address)
