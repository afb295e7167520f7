"""Reports of a run: `markdown` for a file or a pull request, `html` for a page with plots."""
