"""Events: rules about the measures of zones, and where it is told that one holds."""
