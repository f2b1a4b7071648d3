"""What the engines need of the machine: private files that are never half written, processes that are really meant."""
