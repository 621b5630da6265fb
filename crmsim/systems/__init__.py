"""Who acts? One actor a file; the only room that knows machine and meaning both."""
