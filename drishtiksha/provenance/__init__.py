"""Where a file says that it comes from: Content Credentials, metadata, traces of encoders and of re-encoding."""

from drishtiksha.provenance.examine import examine
from drishtiksha.provenance.reverse import reverse_search_links

__all__ = ["examine", "reverse_search_links"]
