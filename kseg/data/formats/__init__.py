"""Other tools' labelled data, read into the one layout of folders."""
