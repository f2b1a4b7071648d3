"""Configuration files of other programs, and values of Helm charts, read as documents."""
