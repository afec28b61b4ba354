"""Reports of one case: a page for the editor, a technical annex, and a signed bundle that anybody can check."""
