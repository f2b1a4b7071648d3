"""The readers: manifests from files, folders and standard input become Documents and Problems.

    source = FileSource()
    snapshot = source.read(["manifests/", "edge.yaml"])     # or ["-"]; UsageError if a path is not there
    snapshot.documents                                      # DocumentId -> Document
    snapshot.problems, snapshot.counts

    async for paths in watch(source):                       # sets of changed paths, a few ms after a save
        delta = source.refresh(paths)                       # costs what changed
        delta.added, delta.changed, delta.removed           # by DocumentId, which an edit does not change
        delta.held                                          # live, although no longer readable
        delta.problems                                      # all there are now, not only the new ones

    source.locator.locate(problem.origin)                   # Place(file, line), found when it is asked for

The source keeps texts and names, not values: `Document.data` belongs to whoever has the Document,
and its memory is free when the last of them lets go.  A Document whose id is neither in `added` nor
in `changed` is the same as before, whatever else happened to its file.

Only `sources` reads manifests, and it knows nothing of what their kinds mean; `kinds` does.
"""
