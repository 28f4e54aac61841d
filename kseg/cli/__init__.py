"""Command lines: options to a configuration, tables on stdout, exit statuses."""
