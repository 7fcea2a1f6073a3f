"""How Sphinx builds the documentation: `make docs`. Nothing is fetched while it is built or read."""

from __future__ import annotations

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Data Ingestor"
author = "the authors of Data Ingestor"
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "grpc_reference"]
exclude_patterns = ["_ext"]
source_suffix = {".md": "markdown"}
nitpicky = True
nitpick_ignore_regex = [
    # Types of other packages, whose documentation is not built here.
    ("py:.*", r"(?!ingestor\.).*"),
    # Messages of the gRPC API are documented with it.
    ("py:.*", r"ingestor\.v1\..*"),
    # What the client is made of; its page documents what users call.
    ("py:.*", r"ingestor\.client\.(gateway|sources|sync_process)\..*"),
]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False}
add_module_names = False

lexers["csv"] = TextLexer()

html_theme = "furo"
html_title = "Data Ingestor"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

grpc_protos = str(Path(__file__).parents[1] / "protos")
grpc_package = "ingestor.v1"
grpc_gateway = "127.0.0.1:8080"
